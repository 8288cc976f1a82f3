// One metric of one job over time.

import { h } from "./dom.js";
import { frame, xAxis, xName, yAxis } from "./frame.js";
import { asTable } from "./parts.js";
import { linear, niceTicks, padded, timeTicks } from "./scales.js";
import { duration, number } from "./wording.js";

const LEFT = 56;
const RIGHT = 24; // half of the last time
const TOP = 8;
const HEIGHT = 110;

export function series(name, points, start, ui) {
  const id = `series ${name}`;
  const names = points.map((_, index) => `${id} ${index}`);
  return frame({
    id,
    label: `${name} over time: ${points.length} values, the last ${number(points.at(-1)[1])}.`,
    hint: `${points.length} values, the last ${number(points.at(-1)[1])}`,
    stops: names,
    ui,
    describe: (stop) => {
      const [at, value] = points[names.indexOf(stop)] ?? [null, null];
      return at === null ? "" : `${number(value)} after ${duration(at - start)}`;
    },
    open: () => {},
    draw: (width) => draw(points, start, names, ui, id, width),
  });
}

export function seriesTable(name, points, start, ui) {
  return asTable(
    `${name} as a table`,
    ui,
    ["After", name],
    () => points.map(([at, value]) => [duration(at - start), number(value)]),
    { numbers: 1 },
  );
}

function draw(points, start, names, ui, id, width) {
  const values = points.map(([, value]) => value);
  const [from, to] = [points[0][0] - start, points.at(-1)[0] - start];
  const placed = linear(from, Math.max(to, from + 1e-3), LEFT, width - RIGHT);
  const x = (at) => placed(at - start);
  const [low, high] = padded(values);
  const y = linear(low, high, TOP + HEIGHT, TOP);
  const path = points.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join("L");
  const at = names.indexOf(ui.trial);
  return {
    height: TOP + HEIGHT + 40,
    children: [
      yAxis(niceTicks(low, high, 4), y, LEFT, width - RIGHT, (value) => number(value, 4)),
      xAxis(timeTicks(from, to, Math.min(8, width / 70)), placed, TOP + HEIGHT, duration),
      xName("time since the start", (LEFT + width - RIGHT) / 2, TOP + HEIGHT),
      h("path", { class: "series-line", d: `M${path}` }),
      points.length > 60
        ? null
        : points.map(([when, value]) =>
            h("circle", { class: "series-dot", cx: x(when), cy: y(value), r: 2.5 }),
          ),
      at < 0
        ? null
        : h("circle", { class: "pointed", cx: x(points[at][0]), cy: y(points[at][1]), r: 7 }),
      h("rect", {
        class: "catch plain",
        x: 0,
        y: 0,
        width,
        height: TOP + HEIGHT + 20,
        on: { mousemove: (event) => ui.point(nearest(event, points, x, names), id) },
      }),
    ],
  };
}

function nearest(event, points, x, names) {
  const place = event.clientX - event.currentTarget.getBoundingClientRect().left;
  let best = 0;
  points.forEach(([at], index) => {
    if (Math.abs(x(at) - place) < Math.abs(x(points[best][0]) - place)) best = index;
  });
  return names[best];
}
