// Small pieces that several views are made of.

import { h } from "./dom.js";
import { icon } from "./shapes.js";
import { markOf, pieces, stateOf } from "./wording.js";

export const toJobs = "#/";
export const toTuning = (name) => `#/tuning/${encodeURIComponent(name)}`;
export const toTraining = (name) => `#/training/${encodeURIComponent(name)}`;
export const toResource = (kind, name) =>
  `#/resource/${encodeURIComponent(kind)}/${encodeURIComponent(name)}`;

export function badge(job) {
  const kind = markOf(job);
  return h("span", { class: `badge badge-${kind}` }, icon(kind), stateOf(job));
}

export function path(...steps) {
  return h(
    "nav",
    { key: "path", class: "path", "aria-label": "Path" },
    h(
      "ol",
      {},
      steps.map(([text, href], index) =>
        h(
          "li",
          { key: `${index}` },
          href ? h("a", { href }, text) : h("span", { "aria-current": "page" }, text),
        ),
      ),
    ),
  );
}

export function heading(title, job, ...facts) {
  return h(
    "header",
    { key: "heading", class: "heading" },
    h("h1", { id: "title", tabindex: -1 }, title),
    h(
      "p",
      { class: "facts" },
      job.status ? badge(job) : null,
      facts.filter(Boolean).map((fact) => h("span", {}, fact)),
    ),
  );
}

export function card(
  title,
  { key = title, note = null, isWide = false, tools = null },
  ...content
) {
  const id = `card-${key.replace(/\W+/g, "-")}`;
  return h(
    "section",
    { key: id, class: isWide ? "card is-wide" : "card", "aria-labelledby": id },
    h(
      "div",
      { class: "card-head" },
      h("h2", { id }, title),
      note ? h("p", { class: "quiet" }, note) : null,
      tools,
    ),
    content,
  );
}

// A name that a narrow column may break where its words meet, and only there while that is enough.
export function breakable(name) {
  return pieces(name).flatMap((piece, index) => (index ? [h("wbr"), piece] : [piece]));
}

export function tile(label, value, note) {
  return h(
    "div",
    { key: label, class: "tile" },
    h("dt", {}, label),
    h(
      "dd",
      {},
      h("span", { class: "figure" }, value),
      note ? h("span", { class: "quiet" }, note) : null,
    ),
  );
}

export function facts(entries) {
  return h(
    "dl",
    { class: "entries" },
    entries
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([name, value]) =>
        h("div", { key: name }, h("dt", {}, breakable(name)), h("dd", {}, value)),
      ),
  );
}

export function progress(done, live, total, label) {
  const part = (n) => ({ "inline-size": `${Math.min(100, (100 * n) / Math.max(total, 1))}%` });
  return h(
    "span",
    {
      class: "progress",
      role: "progressbar",
      "aria-label": label,
      "aria-valuemin": 0,
      "aria-valuemax": total,
      "aria-valuenow": done,
      "aria-valuetext": `${done} of ${total}`,
    },
    h("span", { class: "progress-done", style: part(done) }),
    h("span", { class: "progress-live", style: part(live) }),
  );
}

export function failure(reason, title = "Why it failed") {
  return reason
    ? h(
        "div",
        { key: "failure", class: "failure" },
        h("strong", {}, title),
        h("p", {}, reason),
      )
    : null;
}

// A table whose rows are {key, cells, class, open}; below `names` the first column heads its row.
// On narrow screens each row becomes a card, so every cell carries the name of its column.
export function table(caption, columns, rows, { sort = null, onSort = null, key = caption } = {}) {
  return h(
    "div",
    { key, class: "table-frame" },
    onSort ? sorting(columns, sort, onSort) : null,
    h(
      "table",
      { role: "table" },
      h("caption", { class: "unseen" }, caption),
      h(
        "thead",
        { role: "rowgroup" },
        h(
          "tr",
          { role: "row" },
          columns.map((column) => head(column, sort, onSort)),
        ),
      ),
      h(
        "tbody",
        { role: "rowgroup" },
        rows.map((row) => body(row, columns)),
      ),
    ),
  );
}

// In a cell of a card every part has a line of its own; these stand on one.
export function inLine(...parts) {
  return h("span", {}, parts);
}

// What a chart shows, as a table; from column `numbers` on there are numbers.
export function asTable(title, ui, names, rows, { numbers = 2 } = {}) {
  const columns = names.map((name, index) => ({
    id: String(index),
    title: name,
    class: index >= numbers ? "number" : "",
  }));
  return h(
    "details",
    { key: title, on: { toggle: (event) => ui.open(title, event.target.open) } },
    h("summary", {}, title),
    // Most tables are never looked at.
    ui.opened.has(title)
      ? table(
          title,
          columns,
          rows().map((cells, index) => ({ key: String(index), cells })),
        )
      : null,
  );
}

// The heads of narrow tables are not shown.
function sorting(columns, sort, onSort) {
  const options = columns.map(({ id, title }) =>
    h("option", { key: id, value: id, selected: sort.by === id }, title),
  );
  const turn = h(
    "button",
    { type: "button", class: "fold-button", on: { click: () => onSort(sort.by) } },
    sort.isDown ? "falling" : "rising",
  );
  return h(
    "div",
    { key: "sorting", class: "sorting" },
    h(
      "label",
      {},
      "Sort by ",
      h("select", { on: { change: (event) => onSort(event.target.value) } }, options),
    ),
    turn,
  );
}

function head(column, sort, onSort) {
  const isSorted = sort?.by === column.id;
  const direction = isSorted ? (sort.isDown ? "descending" : "ascending") : "none";
  const label =
    onSort && column.sorts !== false
      ? h(
          "button",
          { type: "button", class: "sort", on: { click: () => onSort(column.id) } },
          breakable(column.title),
          h(
            "span",
            { class: "arrow", "aria-hidden": "true" },
            isSorted ? (sort.isDown ? "↓" : "↑") : "",
          ),
        )
      : breakable(column.title);
  return h(
    "th",
    {
      key: column.id,
      role: "columnheader",
      scope: "col",
      class: column.class,
      "aria-sort": onSort ? direction : null,
    },
    label,
  );
}

function body(row, columns) {
  return h(
    "tr",
    {
      key: row.key,
      role: "row",
      class: row.class,
      on: row.open ? { click: (event) => isFree(event) && row.open(), ...row.on } : (row.on ?? {}),
    },
    columns.map((column, index) => {
      const content = row.cells[index];
      const isHead = index === 0;
      return h(
        isHead ? "th" : "td",
        {
          key: column.id,
          role: isHead ? "rowheader" : "cell",
          scope: isHead ? "row" : null,
          class: column.class,
          // Shown by the style sheet, which knows no <wbr>: a space of no width instead.
          "data-label": pieces(column.title).join("\u200b"),
        },
        content,
      );
    }),
  );
}

// A click on the row, not on a link or a button in it, nor the end of a selection of text.
function isFree(event) {
  return !event.target.closest("a, button, input, summary") && String(window.getSelection()) === "";
}
