// One tuning job: how far it is, its best trial, its charts and every trial.

import { curve } from "./curve.js";
import { h } from "./dom.js";
import { foldChart, trialsWithFolds } from "./folds.js";
import { bestSoFar, counts, deviationOf, foldsOf, valueOf } from "./model.js";
import { parallel } from "./parallel.js";
import {
  asTable,
  badge,
  card,
  facts,
  failure,
  heading,
  inLine,
  path,
  progress,
  table,
  tile,
  toJobs,
  toTraining,
} from "./parts.js";
import { icon, legend } from "./shapes.js";
import {
  clock,
  count,
  duration,
  isLive,
  markOf,
  number,
  seconds,
  stateOf,
  valueShown,
} from "./wording.js";

const MOST_NAMED = 20; // trials that failed for one reason

export function tuningView(model, name, ui, now) {
  const job = model.tuningByName.get(name);
  if (!job) return null;
  const open = (trial) => (location.hash = toTraining(trial));
  const describe = (trial) => described(model, job, trial);
  return [
    path(["Jobs", toJobs], [name]),
    heading(
      name,
      job,
      job.strategy,
      `${job.objective.type.toLowerCase()} ${job.objective.name}`,
      `at most ${job.max_parallel} at once`,
      job.completion_reason,
    ),
    failure(job.failure_reason),
    tiles(model, job, now),
    job.trials.length === 0 ? null : charts(model, job, ui, { describe, open }),
    trials(model, job, ui, now, open),
    failures(job),
  ];
}

function tiles(model, job, now) {
  const n = counts(job);
  const total = job.max_jobs ?? n.total;
  const best = job.trials.find((trial) => trial.job === job.best?.job);
  const deviation = best ? deviationOf(model, job, best) : null;
  const parts = [
    n.completed ? `${n.completed} completed` : "",
    n.live ? `${n.live} running` : "",
    n.stopped ? `${n.stopped} stopped` : "",
    n.failed ? `${n.failed} failed` : "",
  ];
  return h(
    "div",
    { key: "tiles", class: job.ranges.length > 4 ? "tiles is-high" : "tiles" },
    h(
      "dl",
      { class: "figures" },
      tile(
        `Best ${job.objective.name}`,
        number(job.best?.value ?? null),
        deviation === null ? null : ` ± ${number(deviation, 3)} over folds`,
      ),
      tile(
        "Trials",
        `${n.ended} of ${total}`,
        h(
          "span",
          {},
          progress(n.ended, n.live, total, "Trials that have ended"),
          ` ${parts.filter(Boolean).join(", ")}`,
        ),
      ),
      tile(
        "Time",
        duration((job.ended ?? now) - job.created),
        isLive(job)
          ? "running"
          : `ended ${clock(job.ended)}`,
      ),
    ),
    best ? bestTrial(best) : null,
  );
}

function bestTrial(best) {
  return h(
    "section",
    { key: "best", class: "best", "aria-labelledby": "best-title" },
    h(
      "h2",
      { id: "best-title" },
      "Best trial ",
      h("a", { id: "best-trial", href: toTraining(best.job) }, `#${best.number}`),
    ),
    facts(Object.entries(best.values).map(([name, text]) => [name, valueShown(text)])),
  );
}

function charts(model, job, ui, { describe, open }) {
  const columns = trialsWithFolds(model, job);
  const n = Math.max(job.trials.length, Math.min(job.max_jobs ?? 0, 500), 1);
  return h(
    "div",
    { key: "charts", class: "charts" },
    card(
      "Tuning curve",
      { tools: curveLegend(job) },
      curve(job, ui, { describe, open }),
      curveTable(job, ui),
    ),
    columns.length === 0
      ? null
      : card(
          "Fold scores",
          { note: columns[0].folds.metric },
          foldChart({
            id: "folds",
            columns,
            n,
            best: job.best?.job,
            objective: job.objective,
            ui,
            describe,
            open,
          }),
          foldTable(columns, ui),
        ),
    job.ranges.length === 0
      ? null
      : card(
          "Hyperparameters and objective",
          { isWide: true, tools: ramp(job) },
          parallel(job, ui, { describe, open }),
        ),
  );
}

function curveLegend(job) {
  const kinds = ["done", "live", "early", "stopped", "failed"].filter((kind) =>
    job.trials.some((trial) => markOf(trial) === kind),
  );
  const step = h(
    "li",
    { key: "step" },
    h(
      "svg",
      { class: "icon", width: 22, height: 14, viewBox: "0 0 22 14", "aria-hidden": "true" },
      h("path", { class: "best-line", d: "M1,3H11V11H21" }),
    ),
    "Best so far",
  );
  const ring = h(
    "li",
    { key: "ring" },
    h(
      "svg",
      { class: "icon", width: 18, height: 18, viewBox: "-10 -10 20 20", "aria-hidden": "true" },
      h("circle", { class: "best-ring", r: 8 }),
    ),
    "Best",
  );
  return legend(kinds, [step, ring]);
}

function ramp(job) {
  return h(
    "p",
    { class: "ramp-legend" },
    "best",
    h("span", { class: "ramp", "aria-hidden": "true" }),
    "worst ",
    job.objective.name,
  );
}

function curveTable(job, ui) {
  const names = ["Trial", "Status", job.objective.name, "Best so far"];
  return asTable("The curve as a table", ui, names, () => {
    const steps = bestSoFar(job);
    return job.trials.map((trial, index) => [
      `#${trial.number}`,
      stateOf(trial),
      number(valueOf(trial)),
      number(steps[index].best),
    ]);
  });
}

function foldTable(columns, ui) {
  const names = ["Trial", "Folds", "Mean", "Deviation"];
  return asTable("The folds as a table", ui, names, () =>
    columns.map(({ at, folds }) => [
      `#${at}`,
      folds.scores.map((each) => number(each.value)).join(", "),
      number(folds.mean),
      number(folds.deviation, 3),
    ]),
  );
}

function trials(model, job, ui, now, open) {
  const names = job.ranges.map((range) => range.name);
  const sort = ui.sort;
  const sorted = [...job.trials].sort(order(model, job, sort, now));
  const columns = [
    { id: "number", title: "Trial" },
    { id: "status", title: "Status" },
    ...job.ranges.map(({ name, values }) => ({
      id: `value ${name}`,
      title: name,
      class: values ? "" : "number",
    })),
    { id: "objective", title: job.objective.name, class: "number" },
    { id: "folds", title: "Folds", class: "number" },
    { id: "time", title: "Time", class: "number" },
  ];
  const rows = sorted.map((trial) => row(model, job, trial, { names, ui, now, open }));
  return card(
    "Trials",
    { isWide: true, note: `${count(job.trials.length, "trial")}; a row opens its training job` },
    table("Trials", columns, rows, { sort, onSort: (by) => ui.sortBy(by) }),
  );
}

function row(model, job, trial, { names, ui, now, open }) {
  const isBest = trial.job === job.best?.job;
  const folds = foldsOf(model, trial.job, job.objective.name);
  return {
    key: trial.job,
    class: [isBest ? "is-best" : "", ui.trial === trial.job ? "is-pointed" : ""].join(" ").trim(),
    open: () => open(trial.job),
    on: { mouseenter: () => ui.point(trial.job, "trials"), mouseleave: () => ui.point(null, null) },
    cells: [
      inLine(
        h("a", { href: toTraining(trial.job) }, `#${trial.number}`),
        isBest ? h("span", { class: "star" }, " best") : null,
      ),
      badge(trial),
      ...names.map((name) => (name in trial.values ? valueShown(trial.values[name]) : "–")),
      objective(model, job, trial),
      folds === null ? "–" : `${folds.done} of ${folds.total}`,
      duration(seconds(trial, now)),
    ],
  };
}

function objective(model, job, trial) {
  const value = valueOf(trial);
  if (value === null) return "–";
  if (isLive(trial)) return inLine(number(value), h("span", { class: "quiet" }, " so far"));
  const deviation = deviationOf(model, job, trial);
  return inLine(
    number(value),
    deviation === null ? null : h("span", { class: "quiet" }, ` ± ${number(deviation, 3)}`),
  );
}

function order(model, job, { by, isDown }, now) {
  const key = (trial) => {
    if (by === "status") return stateOf(trial);
    if (by === "objective") return valueOf(trial);
    if (by === "folds") return foldsOf(model, trial.job)?.done ?? null;
    if (by === "time") return seconds(trial, now);
    if (!by.startsWith("value ")) return trial.number;
    const text = trial.values[by.slice(6)] ?? null;
    return text === null || Number.isNaN(Number(text)) ? text : Number(text);
  };
  const sign = isDown ? -1 : 1;
  return (one, other) => {
    const [a, b] = [key(one), key(other)];
    if (a === null || b === null) return (a === null) - (b === null) || one.number - other.number;
    return sign * (a < b ? -1 : a > b ? 1 : 0) || one.number - other.number;
  };
}

// Trials that failed for the same reason stand together.
function failures(job) {
  const reasons = new Map();
  for (const trial of job.trials) {
    if (!trial.failure_reason) continue;
    if (!reasons.has(trial.failure_reason)) reasons.set(trial.failure_reason, []);
    reasons.get(trial.failure_reason).push(trial);
  }
  if (reasons.size === 0) return null;
  return card(
    "What failed",
    { isWide: true },
    h(
      "ul",
      { class: "reasons" },
      [...reasons].map(([reason, trials]) =>
        h("li", { key: reason }, icon("failed"), h("span", {}, reason), failed(trials)),
      ),
    ),
  );
}

function failed(trials) {
  const rest = trials.length - MOST_NAMED;
  return h(
    "span",
    { class: "quiet" },
    trials
      .slice(0, MOST_NAMED)
      .map((trial) => [h("a", { href: toTraining(trial.job) }, `#${trial.number}`), " "]),
    rest > 0 ? `and ${rest} more` : null,
  );
}

function described(model, job, name) {
  const trial = job.trials.find((each) => each.job === name);
  if (!trial) return "";
  const values = Object.entries(trial.values).map(([key, text]) => `${key} ${valueShown(text)}`);
  const value = valueOf(trial);
  const deviation = deviationOf(model, job, trial);
  const score =
    value === null
      ? "no value"
      : `${number(value)}${deviation === null ? "" : ` ± ${number(deviation, 3)}`}`;
  const best = trial.job === job.best?.job ? ", the best" : "";
  return [
    h("b", {}, `#${trial.number} ${score}`),
    `${best}, ${stateOf(trial).toLowerCase()}; ${values.join(", ")}`,
  ];
}
