// The folds of one job: a dot each, their mean as a line, one standard deviation as a band.

import { h } from "./dom.js";
import { frame, xAxis, xName, yAxis, yName } from "./frame.js";
import { countTicks, linear, niceTicks, padded } from "./scales.js";
import { number } from "./wording.js";

const LEFT = 56;
const RIGHT = 12;
const TOP = 30;
const HEIGHT = 150;

export function foldStrip(folds, ui) {
  const nameOf = (each) => `fold ${each.fold}`;
  return frame({
    id: "fold-strip",
    label: `${folds.metric} of ${folds.scores.length} folds, mean ${number(folds.mean)}, standard deviation ${number(folds.deviation, 3)}.`,
    hint: "A dot is a fold; the line is their mean, the band one standard deviation to both sides.",
    stops: folds.scores.map(nameOf),
    ui,
    describe: (name) => {
      const each = folds.scores.find((score) => nameOf(score) === name);
      return each ? `Fold ${each.fold}: ${number(each.value)}` : "";
    },
    open: () => {},
    draw: (width) => draw(folds, ui, nameOf, width),
  });
}

function draw(folds, ui, nameOf, width) {
  const bottom = TOP + HEIGHT;
  const { mean, deviation } = folds;
  const edges = deviation === null ? [] : [mean - deviation, mean + deviation];
  const [low, high] = padded([...folds.scores.map((each) => each.value), ...edges]);
  const x = linear(0.5, folds.total + 0.5, LEFT, width - RIGHT);
  const y = linear(low, high, bottom, TOP);
  return {
    height: bottom + 40,
    children: [
      yName(folds.metric),
      deviation === null
        ? null
        : h("rect", {
            class: "band",
            x: LEFT,
            width: width - RIGHT - LEFT,
            y: y(edges[1]),
            height: y(edges[0]) - y(edges[1]),
          }),
      yAxis(niceTicks(low, high, 4), y, LEFT, width - RIGHT, (value) => number(value, 5)),
      h("line", { class: "mean", x1: LEFT, x2: width - RIGHT, y1: y(mean), y2: y(mean) }),
      xAxis(countTicks(folds.total, Math.min(10, width / 50)), x, bottom),
      xName("fold", (LEFT + width - RIGHT) / 2, bottom),
      folds.scores.map((each) => [
        ui.trial === nameOf(each)
          ? h("circle", { class: "pointed", cx: x(each.fold), cy: y(each.value), r: 10 })
          : null,
        h("circle", { class: "fold-dot", cx: x(each.fold), cy: y(each.value), r: 5 }),
      ]),
    ],
  };
}
