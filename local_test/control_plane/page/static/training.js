// One training job: how it is, its folds, metrics, log, and what it was asked for.

import { h } from "./dom.js";
import { detailOf } from "./details.js";
import { foldsOf } from "./model.js";
import { foldStrip } from "./fold_strip.js";
import { logPane } from "./logs.js";
import {
  badge,
  breakable,
  card,
  facts,
  failure,
  heading,
  path,
  table,
  toJobs,
  toTraining,
  toTuning,
} from "./parts.js";
import { series, seriesTable } from "./series.js";
import { clock, count, duration, isLive, moment, number, seconds, valueShown } from "./wording.js";

const LOG_GROUP = "/aws/sagemaker/TrainingJobs";

export function trainingView(model, name, ui, now) {
  const job = model.training.get(name);
  if (!job) return null;
  const mark = [job.status, job.secondary, JSON.stringify(job.metrics)].join(" ");
  const detail = detailOf("training", name, mark, ui.redraw);
  const metric = model.tuningByName.get(job.tuning_job)?.objective.name ?? null;
  const instances = job.instance_type ? `${job.instance_count ?? 1} × ${job.instance_type}` : null;
  return [
    path(...above(model, job), [name]),
    heading(
      name,
      job,
      instances,
      `${duration(seconds(job, now))}`,
      detail && detail.attempt > 1 ? `attempt ${detail.attempt}` : null,
    ),
    isLive(job) ? h("p", { key: "message", class: "message" }, job.message) : null,
    failure(job.failure_reason),
    h(
      "div",
      { key: "cards", class: "charts" },
      folds(model, job, metric, ui, now),
      metrics(job, detail, ui),
      card(
        "Log",
        { isWide: true },
        logPane({
          group: LOG_GROUP,
          prefix: `${name}/`,
          isLive: isLive(job),
          mark: `${job.status} ${job.last_line}`,
        }),
      ),
      hyperparameters(model, job),
      h("div", { key: "stack", class: "stack" }, course(detail, now), asked(job, detail)),
    ),
  ];
}

function above(model, job) {
  const steps = [["Jobs", toJobs]];
  const driver = job.fold_of?.driver;
  const tuning = job.tuning_job ?? model.training.get(driver)?.tuning_job;
  if (tuning) steps.push([tuning, toTuning(tuning)]);
  if (driver) steps.push([driver, toTraining(driver)]);
  return steps;
}

function folds(model, job, metric, ui, now) {
  const found = foldsOf(model, job.name, metric);
  // Of one that has failed before its first fold there is nothing to show.
  if (found === null || (!isLive(job) && found.done === 0)) return null;
  const note = [
    `${found.done} of ${found.total} ended`,
    found.mean === null ? "" : `${found.metric} ${number(found.mean)}`,
    found.deviation === null ? "" : `± ${number(found.deviation, 3)}`,
  ];
  const chart = found.scores.length ? foldStrip(found, ui) : null;
  const siblings = found.siblings.length ? siblingTable(found, now) : null;
  const scores = found.scores.length
    ? h("details", { key: "scores" }, h("summary", {}, "The folds as a table"), scoreTable(found))
    : null;
  return card("Folds", { note: note.filter(Boolean).join(" · ") }, chart, scores, siblings);
}

function scoreTable(found) {
  const columns = [
    { id: "fold", title: "Fold" },
    { id: "score", title: found.metric, class: "number" },
  ];
  return table(
    "Scores of the folds",
    columns,
    found.scores.map((each) => ({
      key: String(each.fold),
      cells: [String(each.fold), number(each.value)],
    })),
  );
}

function siblingTable(found, now) {
  const columns = [
    { id: "job", title: "Fold's job", class: "name" },
    { id: "status", title: "Status" },
    { id: "time", title: "Time", class: "number" },
  ];
  return table(
    "Jobs of the folds",
    columns,
    found.siblings.map((fold) => ({
      key: fold.name,
      open: () => (location.hash = toTraining(fold.name)),
      cells: [
        h("a", { href: toTraining(fold.name) }, fold.name),
        badge(fold),
        duration(seconds(fold, now)),
      ],
    })),
  );
}

function metrics(job, detail, ui) {
  const names = Object.keys(job.metrics).sort();
  if (names.length === 0) return null;
  const charted = names.filter((name) => (detail?.series[name]?.length ?? 0) > 1);
  const start = job.started ?? job.created;
  const columns = [
    { id: "metric", title: "Metric" },
    { id: "value", title: "Last value", class: "number" },
  ];
  return card(
    "Metrics",
    {},
    table(
      "Last values of the metrics",
      columns,
      names.map((name) => ({ key: name, cells: [breakable(name), number(job.metrics[name])] })),
    ),
    charted
      .slice(0, 6)
      .map((name) => [
        h("h3", { key: `h ${name}` }, name),
        series(name, detail.series[name], start, ui),
        seriesTable(name, detail.series[name], start, ui),
      ]),
  );
}

function hyperparameters(model, job) {
  const tuned = new Set(model.tuningByName.get(job.tuning_job)?.ranges.map((range) => range.name));
  const entries = Object.entries(job.hyperparameters).sort(
    ([one], [other]) => tuned.has(other) - tuned.has(one) || (one < other ? -1 : 1),
  );
  if (entries.length === 0) return null;
  return card(
    "Hyperparameters",
    { note: tuned.size ? `${count(tuned.size, "value")} tuned` : null },
    facts(
      entries.map(([name, text]) => [name, tuned.has(name) ? h("b", {}, valueShown(text)) : text]),
    ),
  );
}

function course(detail, now) {
  if (!detail) return null;
  const columns = [
    { id: "status", title: "Status" },
    { id: "start", title: "From", class: "number" },
    { id: "time", title: "Time", class: "number" },
    { id: "message", title: "Message" },
  ];
  const rows = detail.transitions.map((each, index) => ({
    key: `${index}`,
    cells: [
      each.status,
      clock(each.start),
      each.end === null && index < detail.transitions.length - 1
        ? "–"
        : duration((each.end ?? (isLast(each) ? each.start : now)) - each.start),
      each.message,
    ],
  }));
  return card(
    "Course",
    { note: `billable ${duration(detail.billable_s)}` },
    table("Course of the job", columns, rows),
  );
}

function isLast(transition) {
  return ["Completed", "Failed", "Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"].includes(
    transition.status,
  );
}

function asked(job, detail) {
  const tags = Object.entries(job.tags ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
  const channels = Object.entries(detail?.channels ?? {}).map(([name, uri]) => [
    `Channel ${name}`,
    uri,
  ]);
  return card(
    "Request",
    {},
    facts([
      ["Created", moment(job.created)],
      ["ARN", detail?.arn],
      ["Image", detail?.image],
      ["Role", detail?.role],
      ["Spot", detail?.is_spot ? "yes" : null],
      ["Longest run", detail?.max_run_s ? duration(detail.max_run_s) : null],
      ...channels,
      ["Model", detail?.model],
      ["Output", detail?.output],
      ["Tags", tags],
    ]),
  );
}
