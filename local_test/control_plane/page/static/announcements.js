// What a screen reader is told of: jobs that ended and better trials, seldom enough to be heard out.

import { isLive, number, stateOf } from "./wording.js";

const EVERY_MS = 3000;
const MOST = 3;

const region = document.getElementById("announcements");
let before = null;
let waiting = [];
let timer = null;

export function announce(model) {
  const after = new Map();
  for (const job of model.tuning)
    after.set(`tuning ${job.name}`, {
      text: stateOf(job),
      live: isLive(job),
      best: job.best?.value ?? null,
      name: `Tuning job ${job.name}`,
    });
  for (const job of model.heads)
    after.set(job.name, {
      text: stateOf(job),
      live: isLive(job),
      best: null,
      name: `Training job ${job.name}`,
    });
  if (before !== null) {
    for (const [key, job] of after) {
      const old = before.get(key);
      if (old?.live && !job.live) say(`${job.name}: ${job.text}`);
      else if (job.best !== null && old && old.best !== job.best)
        say(`${job.name}: best so far ${number(job.best)}`);
    }
  }
  before = after;
}

function say(text) {
  waiting.push(text);
  timer ??= setTimeout(() => {
    region.textContent = waiting.slice(-MOST).join(". ");
    waiting = [];
    timer = null;
  }, EVERY_MS);
}
