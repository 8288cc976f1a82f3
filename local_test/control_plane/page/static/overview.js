// All jobs: tuning jobs, training jobs with their folds, and what else the plane has.

import { h } from "./dom.js";
import { bestSoFar, counts, deviationOf, foldsOf } from "./model.js";
import {
  badge,
  breakable,
  card,
  inLine,
  progress,
  table,
  toResource,
  toTraining,
  toTuning,
} from "./parts.js";
import { linear } from "./scales.js";
import { stepPath } from "./curve.js";
import {
  count,
  duration,
  isLive,
  markOf,
  moment,
  number,
  oneOf,
  seconds,
  stateOf,
} from "./wording.js";

const FIRST_ROWS = 100;
const MORE_ROWS = 500;
const COUNTED = ["Endpoints", "Transform jobs", "Processing jobs"];
const NO_JOBS = [
  "No jobs yet",
  "Start one with any of SageMaker's clients; the plane has printed the variables that they need. This page follows by itself.",
];
const NONE_FOUND = ["Nothing found", "Nothing that the plane has fits these words and this state."];

export function overview(model, ui, now) {
  const isEmpty = model.tuning.length + model.all.length + model.resources.size === 0;
  const tables = [
    tuningJobs(model, ui, now),
    trainingJobs(model, ui, now),
    ...[...model.resources].map(([kind, records]) => resources(kind, records, ui)),
  ].filter(Boolean);
  return [
    h(
      "header",
      { key: "heading", class: "heading" },
      h("h1", { id: "title", tabindex: -1 }, "Jobs"),
      h("p", { class: "facts" }, summary(model)),
    ),
    isEmpty ? null : filters(ui),
    tables.length ? tables : isEmpty ? nothing(...NO_JOBS) : nothing(...NONE_FOUND),
  ];
}

function summary(model) {
  const of = (kind) => model.all.filter((job) => markOf(job) === kind).length;
  return [
    h("span", { key: "n" }, count(model.tuning.length, "tuning job")),
    h("span", { key: "t" }, count(model.all.length, "training job")),
    h("span", { key: "l" }, `${of("live")} running`),
    of("failed") ? h("span", { key: "f" }, `${of("failed")} failed`) : null,
    COUNTED.filter((kind) => model.resources.has(kind)).map((kind) =>
      h("span", { key: kind }, count(model.resources.get(kind).length, oneOf(kind).toLowerCase())),
    ),
  ];
}

function nothing(title, text) {
  return h("div", { key: "nothing", class: "card empty" }, h("h2", {}, title), h("p", {}, text));
}

function filters(ui) {
  return h(
    "div",
    { key: "filters", class: "filters", role: "search" },
    h(
      "label",
      {},
      "Find",
      h("input", {
        type: "search",
        id: "find",
        placeholder: "name, hyperparameter, metric",
        value: ui.find,
        on: { input: (event) => ui.set({ find: event.target.value, rows: FIRST_ROWS }) },
      }),
    ),
    h(
      "label",
      {},
      "State",
      h(
        "select",
        {
          id: "state",
          on: { change: (event) => ui.set({ state: event.target.value, rows: FIRST_ROWS }) },
        },
        [
          ["", "all"],
          ["live", "running"],
          ["done", "completed"],
          ["failed", "failed"],
          ["stopped", "stopped"],
        ].map(([value, text]) =>
          h("option", { key: value, value, selected: ui.state === value }, text),
        ),
      ),
    ),
  );
}

function isWanted(job, ui) {
  const kind = markOf(job) === "early" ? "stopped" : markOf(job);
  // What has no status, as a model, is in no state.
  if (ui.state && !(job.status && kind === ui.state)) return false;
  const words = ui.find.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const text = searched(job);
  return words.every((word) => text.includes(word));
}

function searched(job) {
  const parts = [
    job.name,
    stateOf(job),
    job.failure_reason ?? "",
    job.strategy ?? "",
    job.objective?.name ?? "",
  ];
  for (const each of [job.hyperparameters, job.metrics, job.tags, job.facts])
    parts.push(...Object.entries(each ?? {}).flat());
  return parts.join(" ").toLowerCase();
}

function tuningJobs(model, ui, now) {
  const jobs = model.tuning.filter((job) => isWanted(job, ui)).reverse();
  if (jobs.length === 0) return null;
  const columns = [
    { id: "name", title: "Tuning job", class: "name" },
    { id: "status", title: "Status" },
    { id: "trials", title: "Trials" },
    { id: "best", title: "Best", class: "number" },
    { id: "curve", title: "Best so far", class: "spark-cell" },
    { id: "time", title: "Time", class: "number" },
  ];
  return card(
    "Tuning jobs",
    { isWide: true },
    table(
      "Tuning jobs",
      columns,
      jobs.map((job) => tuningRow(model, job, now)),
    ),
  );
}

function tuningRow(model, job, now) {
  const n = counts(job);
  const total = job.max_jobs ?? n.total;
  const best = job.trials.find((trial) => trial.job === job.best?.job);
  const deviation = best ? deviationOf(model, job, best) : null;
  const href = toTuning(job.name);
  return {
    key: job.name,
    open: () => (location.hash = href),
    cells: [
      [
        h("a", { href }, job.name),
        h(
          "span",
          { class: "quiet under" },
          `${job.strategy}, ${job.objective.type.toLowerCase()} ${job.objective.name}`,
        ),
      ],
      badge(job),
      [
        progress(n.ended, n.live, total, `Trials of ${job.name}`),
        h(
          "span",
          { class: "quiet under" },
          `${n.ended} of ${total}`,
          n.live ? `, ${n.live} running` : "",
          n.failed ? `, ${n.failed} failed` : "",
        ),
      ],
      inLine(
        number(job.best?.value ?? null),
        deviation === null ? null : h("span", { class: "quiet" }, ` ± ${number(deviation, 3)}`),
      ),
      spark(job),
      duration((job.ended ?? now) - job.created),
    ],
  };
}

function spark(job) {
  const steps = bestSoFar(job);
  const values = steps.map((step) => step.best).filter((best) => best !== null);
  if (values.length < 2) return "–";
  const x = linear(1, Math.max(steps.length, 2), 2, 118);
  const y = linear(Math.min(...values), Math.max(...values), 26, 4);
  return h(
    "svg",
    {
      class: "spark",
      width: 120,
      height: 30,
      viewBox: "0 0 120 30",
      role: "img",
      "aria-label": `from ${number(values[0])} to ${number(values.at(-1))}`,
    },
    h("path", { class: "best-line", d: stepPath(steps, x, y) }),
  );
}

function trainingJobs(model, ui, now) {
  const isSearch = ui.find !== "" || ui.state !== "";
  // What is looked for may be a trial or a fold; otherwise these stand with their tuning job or driver.
  const jobs = (isSearch ? model.all : model.heads).filter((job) => isWanted(job, ui)).reverse();
  if (jobs.length === 0) return null;
  const shown = jobs.slice(0, ui.rows);
  const columns = [
    { id: "name", title: "Training job", class: "name" },
    { id: "status", title: "Status" },
    { id: "metrics", title: "Metrics", class: "metrics" },
    { id: "folds", title: "Folds" },
    { id: "time", title: "Time", class: "number" },
  ];
  const rows = shown.flatMap((job) => [
    trainingRow(model, job, ui, now, isSearch),
    ...(isSearch || !ui.unfolded.has(job.name) ? [] : foldRows(model, job, ui, now)),
  ]);
  return card(
    "Training jobs",
    { isWide: true, note: isSearch ? `${jobs.length} found, trials and folds among them` : null },
    table("Training jobs", columns, rows),
    more(jobs.length, ui),
  );
}

function more(n, ui) {
  if (n <= ui.rows) return null;
  return h(
    "button",
    {
      type: "button",
      key: "more",
      class: "button",
      on: { click: () => ui.set({ rows: ui.rows + MORE_ROWS }) },
    },
    `Show ${Math.min(MORE_ROWS, n - ui.rows)} more of ${n}`,
  );
}

function trainingRow(model, job, ui, now, isSearch) {
  const href = toTraining(job.name);
  const folds = foldsOf(model, job.name);
  const jobs = model.foldJobs.get(job.name) ?? [];
  const isOpen = ui.unfolded.has(job.name);
  const name = [
    h("a", { href }, job.name),
    job.failure_reason ? h("span", { class: "quiet under reason" }, job.failure_reason) : null,
  ];
  return {
    key: job.name,
    open: () => (location.hash = href),
    cells: [
      name,
      badge(job),
      metrics(job),
      folds === null
        ? "–"
        : [
            progress(folds.done, 0, folds.total, `Folds of ${job.name}`),
            jobs.length && !isSearch
              ? h(
                  "button",
                  {
                    type: "button",
                    class: "fold-button",
                    "aria-expanded": String(isOpen),
                    on: { click: () => ui.toggle(job.name) },
                  },
                  `${folds.done} of ${folds.total}`,
                  h("span", { class: "unseen" }, ` folds of ${job.name}`),
                )
              : h("span", { class: "quiet under" }, `${folds.done} of ${folds.total}`),
          ],
      duration(seconds(job, now)),
    ],
  };
}

function foldRows(model, job, ui, now) {
  return (model.foldJobs.get(job.name) ?? []).map((fold) => ({
    key: fold.name,
    class: "is-fold",
    open: () => (location.hash = toTraining(fold.name)),
    cells: [
      h("a", { href: toTraining(fold.name) }, `└ ${fold.name.slice(job.name.length + 1)}`),
      badge(fold),
      metrics(fold),
      "–",
      duration(seconds(fold, now)),
    ],
  }));
}

function metrics(job) {
  const entries = Object.entries(job.metrics)
    .filter(([name]) => !name.endsWith("_std"))
    .slice(0, 2);
  if (entries.length === 0)
    return isLive(job) && job.last_line
      ? h("span", { class: "quiet last-line" }, job.last_line)
      : "–";
  return entries.map(([name, value]) =>
    h("span", { key: name, class: "metric" }, breakable(name), " ", h("b", {}, number(value))),
  );
}

function resources(kind, records, ui) {
  const wanted = records.filter((record) => isWanted(record, ui)).reverse();
  if (wanted.length === 0) return null;
  const names = [...new Set(wanted.flatMap((record) => Object.keys(record.facts ?? {})))].slice(
    0,
    2,
  );
  const hasStatus = wanted.some((record) => record.status);
  const columns = [
    { id: "name", title: "Name", class: "name" },
    ...(hasStatus ? [{ id: "status", title: "Status" }] : []),
    ...names.map((name) => ({ id: name, title: name })),
    { id: "created", title: "Created", class: "number" },
  ];
  const rows = wanted.slice(0, ui.rows).map((record) => ({
    key: record.name,
    open: () => (location.hash = toResource(kind, record.name)),
    cells: [
      [
        h("a", { href: toResource(kind, record.name) }, record.name),
        record.failure_reason
          ? h("span", { class: "quiet under reason" }, record.failure_reason)
          : null,
      ],
      ...(hasStatus ? [record.status ? badge(record) : "–"] : []),
      ...names.map((name) => record.facts?.[name] ?? "–"),
      moment(record.created),
    ],
  }));
  return card(kind, { isWide: true }, table(kind, columns, rows), more(wanted.length, ui));
}
