// The page: the feed's jobs, the address' view, and what a person has chosen.

import { announce } from "./announcements.js";
import { h, render } from "./dom.js";
import { Feed } from "./feed.js";
import { watchWidths } from "./frame.js";
import { readModel } from "./model.js";
import { overview } from "./overview.js";
import { card, toJobs } from "./parts.js";
import { resourceView } from "./resource.js";
import { trainingView } from "./training.js";
import { tuningView } from "./tuning.js";
import { isLive } from "./wording.js";

const main = document.getElementById("main");
const connection = document.getElementById("connection");
const STATES = {
  connecting: "Connecting",
  live: "Live",
  offline: "The plane does not answer; trying again",
};

const ui = {
  find: "",
  state: "",
  rows: 100,
  sort: { by: "number", isDown: false },
  unfolded: new Set(),
  trial: null, // the training job that is pointed at,
  from: null, // and where
  redraw: schedule,
  set(changed) {
    Object.assign(ui, changed);
    schedule();
  },
  point: (trial, from) => ui.set({ trial, from }),
  toggle(name) {
    if (!ui.unfolded.delete(name)) ui.unfolded.add(name);
    schedule();
  },
  sortBy: (by) => ui.set({ sort: { by, isDown: ui.sort.by === by ? !ui.sort.isDown : false } }),
};

let model = readModel({});
let isScheduled = false;
let focusesTitle = false;

const feed = new Feed(() => {
  model = readModel(feed.lists);
  announce(model);
  schedule();
});

function schedule() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    draw();
  });
}

function draw() {
  const shown = STATES[feed.state];
  if (connection.textContent !== shown) connection.textContent = shown;
  connection.dataset.state = feed.state;
  if (feed.state === "connecting" && !feed.lastId) return;
  const { kind, view, name } = route();
  render(main, h("div", { key: location.hash, class: `view view-${kind}` }, view ?? missing(name)));
  document.title = name ? `${name} – control plane` : "Jobs – control plane";
  if (focusesTitle) {
    focusesTitle = false;
    document.getElementById("title")?.focus();
  }
}

function route() {
  const [kind = "", ...names] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  const now = feed.now();
  if (kind === "tuning")
    return { kind, name: names[0], view: tuningView(model, names[0], ui, now) };
  if (kind === "training")
    return { kind, name: names[0], view: trainingView(model, names[0], ui, now) };
  if (kind === "resource") return { kind, name: names[1], view: resourceView(model, ...names) };
  return { kind: "jobs", name: "", view: overview(model, ui, now) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function missing(name) {
  return card(
    "Not found",
    { isWide: true },
    h("h1", { id: "title", tabindex: -1, class: "unseen" }, "Not found"),
    h("p", {}, `The plane has nothing called ${name}. `, h("a", { href: toJobs }, "All jobs")),
  );
}

function isAnythingLive() {
  return model.tuning.some(isLive) || model.all.some(isLive);
}

window.addEventListener("hashchange", () => {
  Object.assign(ui, { trial: null, from: null });
  focusesTitle = true;
  draw();
  window.scrollTo(0, 0);
});
// The address names the view, so this link cannot lead by it.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
// What runs shows its time.
setInterval(() => isAnythingLive() && schedule(), 1000);
watchWidths(schedule);
feed.open();
