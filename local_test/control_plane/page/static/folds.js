// Fold scores: one dot a fold, the mean as a bar, one standard deviation to both sides.

import { h } from "./dom.js";
import { frame, pointing, xAxis, xName, yAxis, yName } from "./frame.js";
import { foldsOf } from "./model.js";
import { clamped, countTicks, linear, mostly, niceTicks } from "./scales.js";
import { MANY } from "./shapes.js";
import { number } from "./wording.js";

const LEFT = 56;
const RIGHT = 12;
const TOP = 30;
const HEIGHT = 230;

export function trialsWithFolds(model, tuning) {
  return tuning.trials
    .map((trial) => ({
      name: trial.job,
      at: trial.number,
      folds: foldsOf(model, trial.job, tuning.objective.name),
    }))
    .filter((each) => each.folds !== null && each.folds.scores.length > 0);
}

// `columns` are {name, at, folds}; `best` names one of them.
export function foldChart({ id, columns, n, best, objective, ui, describe, open }) {
  const metric = columns[0].folds.metric;
  return frame({
    id,
    label: `Fold scores: ${metric} of every fold of ${columns.length} trials, with mean and standard deviation. The table below has the numbers.`,
    hint: "A dot is a fold; the bar is their mean, the line one standard deviation to both sides.",
    stops: columns.map((column) => column.name),
    ui,
    describe,
    open,
    draw: (width) => draw({ id, columns, n, best, objective, ui, open }, width),
  });
}

function draw({ id, columns, n, best, objective, ui, open }, width) {
  const bottom = TOP + HEIGHT;
  const x = linear(0.5, n + 0.5, LEFT, width - RIGHT);
  const values = columns.flatMap(({ folds }) => [
    ...folds.scores.map((each) => each.value),
    ...(folds.deviation === null
      ? []
      : [folds.mean - folds.deviation, folds.mean + folds.deviation]),
  ]);
  const { low, high } = mostly(values, objective, 0.05);
  const y = clamped(linear(low, high, bottom, TOP), bottom, TOP);
  const half = Math.min(10, Math.max(2, (x(2) - x(1)) / 3));
  const isMany = columns.length > MANY;
  // The best is drawn last, above the others.
  const drawing = [...columns].sort((one, other) => (one.name === best) - (other.name === best));
  const places = columns.flatMap(({ name, at, folds }) =>
    folds.scores.map((each) => ({ name, x: x(at), y: y(each.value) })),
  );
  return {
    height: bottom + 40,
    children: [
      yName(columns[0].folds.metric),
      yAxis(niceTicks(low, high, 5), y, LEFT, width - RIGHT, (value) => number(value, 5)),
      xAxis(countTicks(n, Math.min(10, width / 60)), x, bottom),
      xName("trial", (LEFT + width - RIGHT) / 2, bottom),
      drawing.map((column) =>
        drawn(column, {
          x: x(column.at),
          y,
          half,
          isMany,
          isBest: column.name === best,
          isPointed: ui.trial === column.name,
          bottom,
        }),
      ),
      h("rect", {
        class: "catch",
        x: 0,
        y: 0,
        width,
        height: bottom + 20,
        on: pointing(id, places, ui, open),
      }),
    ],
  };
}

function drawn({ name, folds }, { x, y, half, isMany, isBest, isPointed, bottom }) {
  const { mean, deviation } = folds;
  return h(
    "g",
    { key: name, class: isBest ? "column is-best" : "column" },
    isPointed
      ? h("rect", {
          class: "band",
          x: x - half - 3,
          width: 2 * half + 6,
          y: TOP,
          height: bottom - TOP,
        })
      : null,
    deviation === null
      ? null
      : h("line", {
          class: "whisker",
          x1: x,
          x2: x,
          y1: y(mean - deviation),
          y2: y(mean + deviation),
        }),
    folds.scores.map((each) =>
      h("circle", { class: "fold-dot", cx: x, cy: y(each.value), r: isMany ? 1.5 : 3 }),
    ),
    h("line", { class: "mean", x1: x - half, x2: x + half, y1: y(mean), y2: y(mean) }),
  );
}
