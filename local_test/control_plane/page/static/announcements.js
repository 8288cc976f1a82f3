// What a screen reader is told of: what has ended or begun to serve, and better trials; seldom
// enough to be heard out.

import { isLive, number, oneOf, stateOf } from "./wording.js";

const EVERY_MS = 3000;
const MOST = 3;

const region = document.getElementById("announcements");
let before = null;
let waiting = [];
let timer = null;

export function announce(model) {
  const after = new Map([
    ...model.tuning.map((job) => noted("Tuning job", job, job.best?.value)),
    ...model.heads.map((job) => noted("Training job", job)),
    ...[...model.resources].flatMap(([kind, records]) =>
      records.filter((each) => each.status).map((each) => noted(oneOf(kind), each)),
    ),
  ]);
  if (before !== null) {
    for (const [name, job] of after) {
      const old = before.get(name);
      if (old?.live && !job.live) say(`${name}: ${job.text}`);
      else if (job.best !== null && old && old.best !== job.best)
        say(`${name}: best so far ${number(job.best)}`);
    }
  }
  before = after;
}

function noted(kind, job, best = null) {
  return [`${kind} ${job.name}`, { text: stateOf(job), live: isLive(job), best }];
}

function say(text) {
  waiting.push(text);
  timer ??= setTimeout(() => {
    region.textContent = waiting.slice(-MOST).join(". ");
    waiting = [];
    timer = null;
  }, EVERY_MS);
}
