// The tuning curve: every trial's objective, and the best so far as a step line.

import { h } from "./dom.js";
import { frame, pointing, xAxis, xName, yAxis, yName } from "./frame.js";
import { bestSoFar, valueOf } from "./model.js";
import { clamped, countTicks, linear, mostly, niceTicks } from "./scales.js";
import { MANY, mark } from "./shapes.js";
import { count, isLive, markOf, number } from "./wording.js";

const LEFT = 56;
const RIGHT = 12;
const TOP = 30;
const HEIGHT = 230;
const LANE = 26; // where trials without a value stand

export function curve(tuning, ui, { describe, open }) {
  const steps = bestSoFar(tuning);
  const best = steps.at(-1)?.best ?? null;
  const axis = axisOf(tuning);
  const { type, name } = tuning.objective;
  return frame({
    id: "curve",
    label:
      `Tuning curve: ${name} of ${tuning.trials.length} trials, ${type.toLowerCase()}. ` +
      (best === null ? "No trial has a value yet." : `Best so far ${number(best)}.`),
    hint:
      "Point at a trial, or focus the chart and use the arrow keys; Enter opens the job." +
      beyond(axis),
    stops: tuning.trials.map((trial) => trial.job),
    ui,
    describe,
    open,
    draw: (width) => draw(tuning, { axis, steps }, ui, open, width),
  });
}

function axisOf(tuning) {
  const values = tuning.trials.map(valueOf).filter((value) => value !== null);
  return values.length ? mostly(values, tuning.objective) : null;
}

function beyond(axis) {
  if (!axis?.beyond) return "";
  return ` ${count(axis.beyond, "trial lies", "trials lie")} beyond the axis, at its edge.`;
}

function draw(tuning, { axis, steps }, ui, open, width) {
  const bottom = TOP + HEIGHT;
  const n = Math.max(tuning.trials.length, Math.min(tuning.max_jobs ?? 0, 500), 1);
  const x = linear(0.5, n + 0.5, LEFT, width - RIGHT);
  const { low, high } = axis ?? { low: 0, high: 1 };
  const y = clamped(linear(low, high, bottom, TOP), bottom, TOP);
  const hasLane = tuning.trials.some((trial) => valueOf(trial) === null);
  const places = tuning.trials.map((trial) => ({
    name: trial.job,
    trial,
    x: x(trial.number),
    y: valueOf(trial) === null ? bottom + LANE - 8 : y(valueOf(trial)),
  }));
  const foot = bottom + (hasLane ? LANE : 0);
  return {
    height: foot + 40,
    children: [
      yName(tuning.objective.name),
      axis
        ? yAxis(niceTicks(low, high, 5), y, LEFT, width - RIGHT, (value) => number(value, 5))
        : null,
      hasLane ? lane(bottom, width) : null,
      xAxis(countTicks(n, Math.min(10, width / 60)), x, foot),
      xName("trial", (LEFT + width - RIGHT) / 2, foot),
      h("path", { class: "best-line", d: stepPath(steps, x, y) }),
      places.map((place) => point(place, tuning, ui)),
      h("rect", {
        class: "catch",
        x: 0,
        y: 0,
        width,
        height: foot + 20,
        on: pointing("curve", places, ui, open),
      }),
    ],
  };
}

function lane(bottom, width) {
  return [
    h("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: bottom + 4, y2: bottom + 4 }),
    h(
      "text",
      { class: "tick", x: LEFT - 8, y: bottom + LANE - 8, dy: "0.32em", "text-anchor": "end" },
      "none",
    ),
  ];
}

function point({ trial, x, y }, tuning, ui) {
  const isBest = trial.job === tuning.best?.job;
  return h(
    "g",
    { key: trial.job, "data-trial": trial.number },
    isBest ? h("circle", { class: "best-ring", cx: x, cy: y, r: 9.5 }) : null,
    ui.trial === trial.job ? h("circle", { class: "pointed", cx: x, cy: y, r: 12 }) : null,
    mark(markOf(trial), x, y, {
      class: isBest ? "is-best" : isLive(trial) ? "pulse" : "",
      size: tuning.trials.length > MANY ? 0.6 : 1,
    }),
  );
}

// A step at each trial that is better than those before it.
export function stepPath(steps, x, y) {
  let path = "";
  let last = null;
  for (const { number: trial, best } of steps) {
    if (best === null) continue;
    if (last === null) path = `M${x(trial)},${y(best)}`;
    else {
      path += `H${x(trial)}`;
      if (best !== last) path += `V${y(best)}`;
    }
    last = best;
  }
  return path;
}
