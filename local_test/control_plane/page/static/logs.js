// A job's log, live: its end first, then what is added; never more than a few thousand lines.

import { h } from "./dom.js";
import { clock } from "./wording.js";

const EVERY_MS = 1000;
const MOST_LINES = 3000;
const EARLIER_LINES = 400;
const NEAR_END = 24; // pixels from the end within which the log follows

const panes = new Map();

// `isLive` and `mark` tell when there may be more: while it runs, and once when `mark` is another.
export function logPane({ group, prefix, isLive, mark }) {
  const key = `${group} ${prefix}`;
  if (!panes.has(key)) {
    panes.clear(); // one log is shown at a time
    panes.set(key, new Pane(group, prefix));
  }
  const pane = panes.get(key);
  pane.keepUp(isLive, mark);
  return h("div", { key, class: "log-pane", made: (node) => pane.attach(node) });
}

class Pane {
  constructor(group, prefix) {
    this.where = { group, prefix };
    this.stream = null;
    this.first = 0;
    this.end = null;
    this.follows = true;
    this.isLive = false;
    this.isAsking = false;
    this.mark = null;
  }

  attach(node) {
    this.node = node;
    this.select = element("select", { "aria-label": "Stream", id: "log-stream" });
    this.select.addEventListener("change", () => this.choose(this.select.value));
    this.follow = element("input", { type: "checkbox", id: "log-follow" });
    this.follow.checked = this.follows;
    this.follow.addEventListener("change", () => this.setFollows(this.follow.checked));
    this.wrap = element("input", { type: "checkbox", id: "log-wrap" });
    this.wrap.checked = true;
    this.wrap.addEventListener("change", () =>
      this.lines.classList.toggle("is-wrapped", this.wrap.checked),
    );
    this.earlier = element("button", { type: "button", class: "button" }, "Earlier lines");
    this.earlier.addEventListener("click", () => this.askEarlier());
    this.earlier.hidden = true;
    this.note = element("p", { class: "quiet" }, "No lines yet.");
    this.lines = element("div", {
      class: "lines is-wrapped",
      role: "log",
      "aria-live": "off",
      "aria-label": "Log lines",
      tabindex: "0",
    });
    this.lines.addEventListener("scroll", () => this.onScroll());
    const tools = element("div", { class: "log-tools" });
    tools.append(
      this.select,
      labelled(this.follow, "Follow"),
      labelled(this.wrap, "Wrap lines"),
      this.earlier,
    );
    node.replaceChildren(tools, this.lines, this.note);
    this.ask();
  }

  keepUp(isLive, mark) {
    const isOther = mark !== this.mark;
    this.mark = mark;
    this.isLive = isLive;
    if (this.node && isOther) this.ask();
  }

  async ask() {
    clearTimeout(this.timer);
    if (this.isAsking || !this.node?.isConnected) return;
    this.isAsking = true;
    try {
      let piece;
      do {
        piece = await this.fetch(this.end);
        this.append(piece);
      } while (piece.end < piece.total && this.node.isConnected);
    } catch (error) {
      this.note.textContent = `The log cannot be read now: ${error.message}`;
    }
    this.isAsking = false;
    if (this.isLive && !document.hidden) this.timer = setTimeout(() => this.ask(), EVERY_MS);
  }

  async fetch(first) {
    const asked = new URLSearchParams(this.where);
    if (this.stream !== null) asked.set("stream", this.stream);
    if (first !== null) asked.set("first", first);
    const answer = await fetch(`logs?${asked}`);
    const piece = await answer.json();
    if (!answer.ok) throw new Error(piece.message);
    return piece;
  }

  append(piece) {
    const newest = piece.streams.at(-1);
    // A new attempt writes a stream of its own.
    if (this.newest !== undefined && newest !== this.newest && this.stream === this.newest)
      this.restart(newest);
    this.newest = newest;
    this.showStreams(piece.streams);
    if (this.stream === null) this.stream = piece.stream;
    if (piece.stream !== this.stream || piece.stream === null) return;
    if (this.end === null) this.first = piece.first;
    this.end = piece.end;
    this.lines.append(...piece.lines.map(shownLine));
    while (this.lines.childElementCount > MOST_LINES) {
      this.lines.firstElementChild.remove();
      this.first += 1;
    }
    this.tell(piece.total);
    if (this.follows) this.lines.scrollTop = this.lines.scrollHeight;
  }

  async askEarlier() {
    const first = Math.max(0, this.first - EARLIER_LINES);
    const piece = await this.fetch(first);
    this.setFollows(false);
    const height = this.lines.scrollHeight;
    this.lines.prepend(...piece.lines.slice(0, this.first - first).map(shownLine));
    this.first = first;
    this.lines.scrollTop += this.lines.scrollHeight - height;
    this.tell(piece.total);
  }

  choose(stream) {
    this.restart(stream);
    this.ask();
  }

  restart(stream) {
    this.stream = stream;
    this.end = null;
    this.lines.replaceChildren();
  }

  showStreams(streams) {
    this.select.hidden = streams.length < 2;
    if (this.select.childElementCount !== streams.length) {
      this.select.replaceChildren(
        ...streams.map((name) =>
          element("option", { value: name }, name.slice(name.indexOf("/") + 1)),
        ),
      );
    }
    if (this.stream !== null) this.select.value = this.stream;
  }

  tell(total) {
    this.earlier.hidden = this.first === 0;
    this.note.textContent =
      total === 0 ? "No lines yet." : `Lines ${this.first + 1} to ${this.end} of ${total}`;
  }

  onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.lines;
    this.setFollows(scrollHeight - clientHeight - scrollTop < NEAR_END);
  }

  setFollows(follows) {
    this.follows = follows;
    this.follow.checked = follows;
    if (follows) this.lines.scrollTop = this.lines.scrollHeight;
  }
}

function shownLine([at, text]) {
  const line = element("div", { class: "line" });
  line.append(element("time", {}, clock(at)), element("span", {}, text));
  return line;
}

function labelled(input, text) {
  const label = element("label", { class: "check" });
  label.append(input, text);
  return label;
}

function element(tag, attributes, text = null) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}
