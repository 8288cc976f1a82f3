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
// What the history keeps of an address at which the page has been.
const KNOWN = "known";
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
  opened: new Set(),
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
  open(title, isOpen) {
    if (isOpen === ui.opened.has(title)) return;
    if (!ui.opened.delete(title)) ui.opened.add(title);
    schedule();
  },
  sortBy: (by) => ui.set({ sort: { by, isDown: ui.sort.by === by ? !ui.sort.isDown : false } }),
};

let model = readModel({});
let isScheduled = false;
let address = location.hash; // of the view that is shown
const places = new Map(); // how far down views were left, by their addresses

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
  // Between an address and its `go` the view that is left stands where it stood.
  if (location.hash !== address) return;
  const shown = STATES[feed.state];
  if (connection.textContent !== shown) connection.textContent = shown;
  connection.dataset.state = feed.state;
  if (feed.state === "connecting" && !feed.lastId) return;
  const { kind, view, name } = route();
  render(main, h("div", { key: location.hash, class: `view view-${kind}` }, view ?? missing(name)));
  document.title = name ? `${name} – control plane` : "Jobs – control plane";
}

function route() {
  const [kind = "", ...names] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  const now = feed.now();
  if (kind === "tuning")
    return { kind, name: names[0], view: tuningView(model, names[0], ui, now) };
  if (kind === "training")
    return { kind, name: names[0], view: trainingView(model, names[0], ui, now) };
  if (kind === "resource")
    return { kind, name: names[1], view: resourceView(model, names[0], names[1], ui, now) };
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
    h("p", {}, `The plane has nothing called ${name || "that"}. `, h("a", { href: toJobs }, "All jobs")),
  );
}

function isAnythingLive() {
  const jobs = [model.tuning, model.all, ...model.resources.values()];
  return jobs.some((each) => each.some(isLive));
}

// A new view begins at its title; one to which a person comes back is as it was left.
function go() {
  const from = address;
  places.set(from, window.scrollY);
  address = location.hash;
  const isBack = history.state !== null;
  if (!isBack) history.replaceState(KNOWN, "");
  Object.assign(ui, { trial: null, from: null });
  draw();
  const links = isBack ? [...main.querySelectorAll("a")] : [];
  const left = links.find((each) => each.getAttribute("href") === from);
  (left ?? document.getElementById("title"))?.focus({ preventScroll: true });
  window.scrollTo(0, isBack ? (places.get(address) ?? 0) : 0);
}

history.scrollRestoration = "manual";
history.replaceState(KNOWN, "");
window.addEventListener("hashchange", go);
// The address names the view, so this link cannot lead by it.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
// What runs shows its time.
setInterval(() => isAnythingLive() && schedule(), 1000);
watchWidths(schedule);
feed.open();
