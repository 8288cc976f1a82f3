// What all charts have: their width, the trial that is pointed at, keys, and words for who sees none.

import { h } from "./dom.js";

const NARROWEST = 160; // of a chart, in pixels
const UNDRAWN = 220; // the height of one whose width is not known yet
const widths = new Map();
let changed = () => {};
let observer;

export function watchWidths(told) {
  changed = told;
  observer = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries)
      widths.set(target.dataset.chart, Math.floor(contentRect.width));
    changed();
  });
}

// `draw(width)` returns the drawing and its height; `stops` are what arrow keys go through.
export function frame({ id, label, hint, stops, ui, describe, open, draw }) {
  const width = widths.has(id) ? Math.max(widths.get(id), NARROWEST) : 0;
  // Its width is known a moment after it stands there; until then it keeps a chart's place free.
  const drawn = width > 0 ? draw(width) : { height: UNDRAWN, children: [] };
  const said = ui.from === id && ui.trial !== null ? describe(ui.trial) : null;
  return h(
    "div",
    { class: "chart", key: id },
    h(
      "div",
      {
        class: "plot",
        role: "group",
        "aria-roledescription": "chart",
        "aria-label": label,
        tabindex: 0,
        on: {
          keydown: (event) => onKey(event, { id, stops, ui, open }),
          mouseleave: () => ui.from === id && ui.point(null, null),
          blur: () => ui.from === id && ui.point(null, null),
        },
      },
      h(
        "div",
        { class: "canvas" },
        h(
          "svg",
          {
            key: "svg",
            width,
            height: drawn.height,
            viewBox: `0 0 ${Math.max(width, 1)} ${drawn.height}`,
            "aria-hidden": "true",
            style: width > 0 ? {} : { "min-block-size": `${UNDRAWN}px` },
          },
          drawn.children,
        ),
        h("span", {
          key: "watch",
          class: "watch",
          "data-chart": id,
          made: (node) => observer.observe(node),
        }),
      ),
    ),
    // What a chart says of itself may change each second; only what was asked for is read out.
    h(
      "p",
      { class: "readout" },
      h("span", { key: "said", role: "status" }, said),
      said === null ? h("span", { key: "hint", class: "quiet" }, hint) : null,
    ),
  );
}

function onKey(event, { id, stops, ui, open }) {
  const at = stops.indexOf(ui.trial);
  const go = {
    ArrowRight: at + 1,
    ArrowDown: at + 1,
    ArrowLeft: at < 0 ? stops.length - 1 : at - 1,
    ArrowUp: at - 1,
    Home: 0,
    End: stops.length - 1,
  };
  if (event.key in go && stops.length > 0) {
    const place = Math.min(Math.max(go[event.key], 0), stops.length - 1);
    ui.point(stops[place], id);
  } else if (event.key === "Enter" && at >= 0) open(stops[at]);
  else if (event.key === "Escape") ui.point(null, null);
  else return;
  event.preventDefault();
}

// What follows the mouse: the nearest of `places` ({name, x, y}) within a finger's width.
export function pointing(id, places, ui, open) {
  const nearest = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = { name: null, far: 28 };
    for (const place of places) {
      const far = Math.hypot(place.x - x, place.y - y);
      if (far < best.far) best = { name: place.name, far };
    }
    return best.name;
  };
  return {
    mousemove: (event) => {
      const name = nearest(event);
      if (name !== ui.trial) ui.point(name, name === null ? null : id);
    },
    click: (event) => {
      const name = nearest(event);
      if (name !== null) open(name);
    },
  };
}

// What an axis shows: of the upright one at its head, of the lying one below its middle.
export function yName(name) {
  return h("text", { class: "axis-name", x: 0, y: 12 }, name);
}

export function xName(name, x, y) {
  return h("text", { class: "axis-name", x, y: y + 34, "text-anchor": "middle" }, name);
}

export function yAxis(ticks, place, left, right, text) {
  return ticks.map((value) => [
    h("line", { class: "grid", x1: left, x2: right, y1: place(value), y2: place(value) }),
    h(
      "text",
      { class: "tick", x: left - 8, y: place(value), dy: "0.32em", "text-anchor": "end" },
      text(value),
    ),
  ]);
}

export function xAxis(ticks, place, y, text = String) {
  return ticks.map((value) =>
    h("text", { class: "tick", x: place(value), y: y + 16, "text-anchor": "middle" }, text(value)),
  );
}
