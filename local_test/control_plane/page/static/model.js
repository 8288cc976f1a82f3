// What the page needs to know of the jobs that the plane does not say in so many words.

import { isLive } from "./wording.js";

// What a person looks for first stands first; kinds that are not named here stand last.
const ORDER = [
  "Endpoints",
  "Transform jobs",
  "Processing jobs",
  "Models",
  "Endpoint configurations",
  "Model package groups",
  "Model packages",
];

export function readModel(lists) {
  const training = lists.training_jobs ?? new Map();
  const tuning = searchesOf(lists.tuning_jobs ?? new Map(), lists.trials ?? new Map());
  const trials = new Set(tuning.flatMap((job) => job.trials.map((trial) => trial.job)));
  const all = [...training.values()].sort(byCreation);
  return {
    training,
    tuning,
    tuningByName: new Map(tuning.map((job) => [job.name, job])),
    foldJobs: foldJobsOf(training),
    all,
    heads: all.filter((job) => !trials.has(job.name) && !job.fold_of),
    resources: resourcesByKind(lists.resources),
  };
}

function byCreation(one, other) {
  return one.created - other.created || (one.name < other.name ? -1 : 1);
}

// Trials come by themselves, each with the name of its search.
function searchesOf(jobs, trials) {
  const found = new Map([...jobs.values()].map((job) => [job.name, { ...job, trials: [] }]));
  for (const trial of trials.values()) found.get(trial.kind)?.trials.push(trial);
  for (const job of found.values()) job.trials.sort((one, other) => one.number - other.number);
  return [...found.values()].sort(byCreation);
}

function foldJobsOf(training) {
  const found = new Map();
  for (const job of training.values()) {
    if (!job.fold_of) continue;
    const { driver } = job.fold_of;
    if (!found.has(driver)) found.set(driver, []);
    found.get(driver).push(job);
  }
  for (const jobs of found.values())
    jobs.sort(
      ({ fold_of: one }, { fold_of: other }) =>
        one.index - other.index || one.attempt - other.attempt,
    );
  return found;
}

function resourcesByKind(resources) {
  const kinds = new Map();
  for (const each of [...(resources ?? new Map()).values()].sort(byCreation)) {
    if (!kinds.has(each.kind)) kinds.set(each.kind, []);
    kinds.get(each.kind).push(each);
  }
  const rank = (kind) => (ORDER.includes(kind) ? ORDER.indexOf(kind) : ORDER.length);
  return new Map([...kinds].sort(([one], [other]) => rank(one) - rank(other)));
}

// The scores of a job's folds: what its driver prints, else the metric of the jobs that are folds.
export function foldsOf(model, name, metric = null) {
  const job = model.training.get(name);
  if (job?.fold_of) return null; // it has its driver's hyperparameters
  const siblings = model.foldJobs.get(name) ?? [];
  const known = job?.folds;
  // Of several tries of a fold the newest counts.
  const tries = [...new Map(siblings.map((each) => [each.fold_of.index, each])).values()];
  const total = known?.total ?? foldsAsked(job) ?? (tries.length || null);
  if (total === null) return null;
  const scores = known ? known.scores : tries.map((each) => siblingScore(each, metric));
  const ended = Math.max(known?.scores.length ?? 0, tries.filter((each) => !isLive(each)).length);
  const values = scores.filter((each) => each.value !== null && each.value !== undefined);
  return {
    total,
    done: job?.status === "Completed" ? total : Math.min(ended, total),
    metric: known?.metric || metric || "",
    scores: values,
    siblings,
    ...spread(values.map((each) => each.value)),
  };
}

function siblingScore(job, metric) {
  return { fold: job.fold_of.index + 1, value: metric === null ? null : (job.metrics[metric] ?? null) };
}

function foldsAsked(job) {
  const text = (name) => (job?.hyperparameters[name] ?? "").replace(/["\s]/g, "");
  const folds = text("cv_folds") || text("_kfold");
  const repeats = text("cv_repeats") || "1";
  return /^\d+$/.test(folds) && /^\d+$/.test(repeats) ? Number(folds) * Number(repeats) : null;
}

// Mean and standard deviation (n − 1).
export function spread(values) {
  const n = values.length;
  if (n === 0) return { mean: null, deviation: null };
  const mean = values.reduce((sum, each) => sum + each, 0) / n;
  if (n === 1) return { mean, deviation: null };
  const squares = values.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (n - 1)) };
}

export function valueOf(trial) {
  return trial.value ?? trial.newest;
}

// The best final value after each trial, in the order of their numbers; null before the first.
export function bestSoFar(tuning) {
  const isBetter = tuning.objective.type === "Minimize" ? (a, b) => a < b : (a, b) => a > b;
  let best = null;
  return tuning.trials.map((trial) => {
    const value = isLive(trial) ? null : trial.value;
    if (value !== null && (best === null || isBetter(value, best))) best = value;
    return { number: trial.number, best };
  });
}

export function counts(tuning) {
  const of = (test) => tuning.trials.filter(test).length;
  return {
    total: tuning.trials.length,
    live: of(isLive),
    completed: of((trial) => trial.status === "Completed"),
    failed: of((trial) => trial.status === "Failed"),
    stopped: of((trial) => trial.status === "Stopped"),
    ended: of((trial) => !isLive(trial)),
  };
}

// Over all folds, as the driver prints it where the request defines that metric.
export function deviationOf(model, tuning, trial) {
  const printed = model.training.get(trial.job)?.metrics[`${tuning.objective.name}_std`];
  return printed ?? foldsOf(model, trial.job, tuning.objective.name)?.deviation ?? null;
}
