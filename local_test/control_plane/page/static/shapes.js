// The marks of a trial: each state has a form of its own, so that no colour is needed to tell them.

import { h } from "./dom.js";

const PATHS = {
  done: "M5,0A5,5,0,1,1,-5,0A5,5,0,1,1,5,0Z",
  live: "M5,0A5,5,0,1,1,-5,0A5,5,0,1,1,5,0Z",
  early: "M0,-6.5L6.5,0L0,6.5L-6.5,0Z",
  stopped: "M-4.6,-4.6H4.6V4.6H-4.6Z",
  failed: "M-5,-5L5,5M-5,5L5,-5",
};

const NAMES = {
  done: "Completed",
  live: "Running",
  early: "Stopped early",
  stopped: "Stopped",
  failed: "Failed",
};

// Of more there is no room for marks and lines of the full size.
export const MANY = 150;

export function mark(kind, x, y, { size = 1, ...props } = {}) {
  return h("path", {
    ...props,
    d: PATHS[kind],
    transform: `translate(${x.toFixed(1)},${y.toFixed(1)}) scale(${size})`,
    class: `mark mark-${kind} ${props.class ?? ""}`.trim(),
  });
}

export function icon(kind) {
  return h(
    "svg",
    { class: "icon", viewBox: "-8 -8 16 16", width: 14, height: 14, "aria-hidden": "true" },
    mark(kind, 0, 0),
  );
}

export function legend(kinds, ...others) {
  return h(
    "ul",
    { class: "legend", "aria-label": "Marks" },
    kinds.map((kind) => h("li", { key: kind }, icon(kind), NAMES[kind])),
    others,
  );
}
