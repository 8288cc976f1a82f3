// Parallel coordinates: a line for each trial through its values to its objective.
// Wide, the axes stand side by side; narrow, they lie one below the other.

import { h } from "./dom.js";
import { frame, pointing } from "./frame.js";
import { valueOf } from "./model.js";
import { clamped, linear, mostly, niceTicks, scaleOf } from "./scales.js";
import { MANY } from "./shapes.js";
import { isLive, number, valueShown } from "./wording.js";

const NARROW = 620;
const AXIS_WIDTH = 92; // the least that an axis with its name and values needs
const HEIGHT = 260;
const ROW = 74;
const GOOD = 0.1; // the part of many trials that stands out
const LINE = 14; // the height of a tick's text
const LETTER = 7.4; // the width of a letter, about
const NOTES = { Logarithmic: "log", ReverseLogarithmic: "reverse log" };

export function parallel(tuning, ui, { describe, open }) {
  const names = tuning.ranges.map((range) => range.name).join(", ");
  return frame({
    id: "parallel",
    label: `Parallel coordinates: ${names} and ${tuning.objective.name} of ${tuning.trials.length} trials. The table of trials has the numbers.`,
    hint:
      "A line is a trial; its colour is its objective, which is also the last axis. Dashed lines have none." +
      (tuning.trials.length > MANY ? " The best tenth stands out." : ""),
    stops: tuning.trials.map((trial) => trial.job),
    ui,
    describe,
    open,
    draw: (width) => draw(tuning, ui, open, width),
  });
}

function draw(tuning, ui, open, width) {
  const isNarrow = width < NARROW || width / (tuning.ranges.length + 1) < AXIS_WIDTH;
  const length = isNarrow ? [14, width - 14] : [HEIGHT, 40];
  const span = isNarrow ? (tick) => lyingSpan(tick, length) : standingSpan;
  const axes = axesOf(tuning, length).map((axis) => ({ ...axis, ticks: apart(axis.ticks, span) }));
  const across = isNarrow
    ? (index) => 34 + index * ROW
    : linear(
        0,
        axes.length - 1,
        Math.max(30, room(axes[0])),
        width - Math.max(74, room(axes.at(-1))),
      );
  const at = (index, place) => (isNarrow ? [place, across(index)] : [across(index), place]);
  const lines = tuning.trials.map((trial) => lineOf(trial, axes, at));
  const parts = goodness(tuning);
  const places = lines.flatMap(({ trial, points }) =>
    alongs(points).map(([x, y]) => ({ name: trial.job, x, y })),
  );
  const height = isNarrow ? 34 + (axes.length - 1) * ROW + 40 : HEIGHT + 28;
  // Those that are better are drawn above the others, and above all the one that is pointed at.
  const rank = ({ trial }) => (ui.trial === trial.job ? -1 : (parts.get(trial.job) ?? 2));
  lines.sort((one, other) => rank(other) - rank(one));
  return {
    height,
    children: [
      lines.map((line) => drawn(line, parts.get(line.trial.job), tuning, ui)),
      axes.map((axis, index) =>
        isNarrow
          ? lying(axis, across(index), length)
          : standing(axis, across(index), length, {
              isFirst: index === 0,
              isLast: index === axes.length - 1,
              most: Math.floor((across(1) - across(0)) / LETTER),
            }),
      ),
      h("rect", {
        class: "catch",
        x: 0,
        y: 0,
        width,
        height,
        on: pointing("parallel", places, ui, open),
      }),
    ],
  };
}

// Those of the ticks whose texts do not run into each other, the outermost among them; `span`
// tells from where to where a text goes.
function apart(ticks, span) {
  const sorted = [...ticks].sort((one, other) => one.place - other.place);
  const isFree = (before, tick) => !before || span(before)[1] <= span(tick)[0];
  const kept = [];
  for (const tick of sorted) if (isFree(kept.at(-1), tick)) kept.push(tick);
  const last = sorted.at(-1);
  if (last && kept.at(-1) !== last) {
    while (kept.length > 1 && !isFree(kept.at(-1), last)) kept.pop();
    if (isFree(kept.at(-1), last)) kept.push(last);
  }
  return kept;
}

function standingSpan({ place }) {
  return [place - LINE / 2, place + LINE / 2];
}

function lyingSpan(tick, length) {
  const taken = LETTER * shortened(tick.text).length + 8;
  const before = { start: 0, middle: 0.5, end: 1 }[anchor(tick, length)] * taken;
  return [tick.place - before, tick.place - before + taken];
}

// The first and the last text of a lying axis stay within it.
function anchor({ place }, [left, right]) {
  return place < left + 20 ? "start" : place > right - 20 ? "end" : "middle";
}

// How wide the longest text beside an axis is, about.
function room(axis) {
  return 14 + 7 * Math.max(0, ...axis.ticks.map(({ text }) => shortened(text).length));
}

function axesOf(tuning, [from, to]) {
  const tuned = tuning.ranges.map((range) => {
    const texts = tuning.trials
      .map((trial) => trial.values[range.name])
      .filter((text) => text !== undefined);
    return range.values ? categorical(range, texts, from, to) : numeric(range, texts, from, to);
  });
  return [...tuned, objective(tuning, from, to)];
}

function categorical(range, texts, from, to) {
  const values = [...new Set([...range.values, ...texts])];
  const place = linear(-0.5, values.length - 0.5, from, to);
  return {
    name: range.name,
    ticks: values.map((text, index) => ({ text: valueShown(text), place: place(index) })),
    of: (trial) =>
      range.name in trial.values ? place(values.indexOf(trial.values[range.name])) : null,
  };
}

function numeric(range, texts, from, to) {
  const scale = scaleOf(range, texts.map(Number).filter(Number.isFinite), from, to);
  return {
    name: range.name,
    note: NOTES[range.scale] ?? null,
    ticks: scale.ticks.map((value) => ({ text: number(value, 4), place: scale.place(value) })),
    of: (trial) => {
      const value = Number(trial.values[range.name] ?? Number.NaN);
      return Number.isFinite(value) ? scale.place(value) : null;
    },
  };
}

function objective(tuning, from, to) {
  const values = tuning.trials.map(valueOf).filter((value) => value !== null);
  const { low, high } = values.length ? mostly(values, tuning.objective, 0.04) : { low: 0, high: 1 };
  const place = clamped(linear(low, high, from, to), from, to);
  return {
    name: tuning.objective.name,
    isObjective: true,
    ticks: values.length
      ? niceTicks(low, high, 4).map((value) => ({ text: number(value, 5), place: place(value) }))
      : [],
    of: (trial) => (valueOf(trial) === null ? null : place(valueOf(trial))),
  };
}

function lineOf(trial, axes, at) {
  const points = axes
    .map((axis, index) => ({ index, place: axis.of(trial) }))
    .filter((each) => each.place !== null)
    .map((each) => at(each.index, each.place));
  return { trial, points };
}

// Points along the line, for what is nearest to the mouse.
function alongs(points) {
  return points.slice(1).flatMap(([x, y], index) => {
    const [fromX, fromY] = points[index];
    return [0, 0.25, 0.5, 0.75, 1].map((part) => [
      fromX + (x - fromX) * part,
      fromY + (y - fromY) * part,
    ]);
  });
}

// 0 is the best value of all trials, 1 the worst; in ranks, so that one bad trial does not make the
// others look alike.
function goodness(tuning) {
  const sign = tuning.objective.type === "Minimize" ? 1 : -1;
  const valued = tuning.trials.filter((trial) => valueOf(trial) !== null);
  valued.sort((one, other) => sign * (valueOf(one) - valueOf(other)));
  const last = Math.max(valued.length - 1, 1);
  return new Map(valued.map((trial, rank) => [trial.job, rank / last]));
}

function drawn({ trial, points }, part, tuning, ui) {
  const isBest = trial.job === tuning.best?.job;
  const classes = ["trial-line"];
  if (part === undefined) classes.push("has-none");
  if (isLive(trial)) classes.push("is-live");
  if (tuning.trials.length > MANY && !(part <= GOOD)) classes.push("is-one-of-many");
  if (isBest) classes.push("is-best");
  if (ui.trial === trial.job) classes.push("is-pointed");
  else if (ui.trial !== null) classes.push("is-behind");
  return h("path", {
    key: trial.job,
    class: classes.join(" "),
    style: part === undefined ? {} : { "--part": `${Math.round(part * 100)}%` },
    d:
      points.length < 2
        ? ""
        : `M${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L")}`,
  });
}

function standing(axis, x, [bottom, top], { isFirst, isLast, most }) {
  return h(
    "g",
    { key: axis.name, class: axis.isObjective ? "pc-axis is-objective" : "pc-axis" },
    h("line", { class: "axis", x1: x, x2: x, y1: top, y2: bottom }),
    h(
      "text",
      {
        class: "axis-name",
        x: isFirst ? 8 : isLast ? x + 66 : x,
        y: 16,
        "text-anchor": isFirst ? "start" : isLast ? "end" : "middle",
      },
      shortened(axis.name, most),
    ),
    axis.note
      ? h("text", { class: "tick", x, y: top - 9, "text-anchor": "middle" }, axis.note)
      : null,
    axis.ticks.map(({ text, place }) => [
      h("line", { class: "axis", x1: x - 4, x2: x, y1: place, y2: place }),
      h(
        "text",
        {
          class: "tick halo",
          x: isLast ? x + 8 : x - 8,
          y: place,
          dy: "0.32em",
          "text-anchor": isLast ? "start" : "end",
        },
        shortened(text),
      ),
    ]),
  );
}

function lying(axis, y, length) {
  const [left, right] = length;
  return h(
    "g",
    { key: axis.name, class: axis.isObjective ? "pc-axis is-objective" : "pc-axis" },
    h("line", { class: "axis", x1: left, x2: right, y1: y, y2: y }),
    h(
      "text",
      { class: "axis-name halo", x: left, y: y - 12 },
      axis.note ? `${axis.name} (${axis.note})` : axis.name,
    ),
    axis.ticks.map((tick) => [
      h("line", { class: "axis", x1: tick.place, x2: tick.place, y1: y, y2: y + 4 }),
      h(
        "text",
        { class: "tick halo", x: tick.place, y: y + 17, "text-anchor": anchor(tick, length) },
        shortened(tick.text),
      ),
    ]),
  );
}

function shortened(text, most = 14) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
