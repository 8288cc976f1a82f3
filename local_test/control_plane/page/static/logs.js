// A job's log, live: its end first, then what is added; never more than a few thousand lines.

import { h } from "./dom.js";
import { clock } from "./wording.js";

const EVERY_MS = 1000;
const MOST_LINES = 3000; // of those that follow the end
const MOST_READ = 6000; // of those that are read while others come
const EARLIER_LINES = 400;
const NEAR_END = 24; // pixels from the end within which the log follows

let pane = null; // one log is shown at a time
let wraps = true;

// `isLive` and `mark` tell when there may be more: while it runs, and once when `mark` is another.
export function logPane({ group, prefix, isLive, mark }) {
  const key = `${group} ${prefix}`;
  if (pane?.key === key) pane.keepUp(isLive, mark);
  return h("div", {
    key,
    class: "log-pane",
    made: (node) => (pane = new Pane(node, { key, group, prefix, isLive, mark })),
  });
}

document.addEventListener("visibilitychange", () => document.hidden || pane?.ask());

class Pane {
  constructor(node, { key, group, prefix, isLive, mark }) {
    Object.assign(this, { node, key, group, prefix, isLive, mark });
    this.follows = true;
    this.isAsking = false;
    this.isDue = false; // there may be more than the answer under way has
    this.placed = 0; // how far down the lines were put, until someone moves them
    this.newest = null;
    this.stream = null;
    this.restart(null);
    node.replaceChildren(this.tools(), this.lines, this.note);
    this.ask();
  }

  // Lines `first` to before `end` of `stream` are shown, or shall be in place of what still is.
  restart(stream) {
    this.stream = stream;
    this.first = 0;
    this.end = null;
  }

  tools() {
    this.select = element("select", { "aria-label": "Stream", id: "log-stream", hidden: "" });
    this.select.addEventListener("change", () => this.choose(this.select.value));
    this.follow = checkbox("log-follow", true, (isOn) => this.setFollows(isOn));
    const wrap = checkbox("log-wrap", wraps, (isOn) => {
      wraps = isOn;
      this.lines.classList.toggle("is-wrapped", isOn);
    });
    this.earlier = element("button", { type: "button", class: "button", hidden: "" });
    this.earlier.textContent = "Earlier lines";
    this.earlier.addEventListener("click", () => this.tried(() => this.askEarlier()));
    this.note = element("p", { class: "quiet" });
    this.lines = element("div", {
      class: wraps ? "lines is-wrapped" : "lines",
      role: "log",
      "aria-live": "off",
      "aria-label": "Log lines",
      tabindex: "0",
    });
    this.lines.addEventListener("scroll", () => this.onScroll());
    const tools = element("div", { class: "log-tools" });
    const checks = [labelled(this.follow, "Follow"), labelled(wrap, "Wrap lines")];
    tools.append(this.select, ...checks, this.earlier);
    return tools;
  }

  keepUp(isLive, mark) {
    const isOther = mark !== this.mark;
    Object.assign(this, { isLive, mark });
    if (isOther) this.ask();
  }

  async ask() {
    clearTimeout(this.timer);
    this.isDue = true;
    if (this.isAsking || !this.node.isConnected) return;
    this.isAsking = true;
    while (this.isDue) {
      this.isDue = false;
      await this.tried(() => this.catchUp());
    }
    this.isAsking = false;
    if (this.isLive && !document.hidden) this.timer = setTimeout(() => this.ask(), EVERY_MS);
  }

  async tried(act) {
    try {
      await act();
    } catch (error) {
      this.note.textContent = `The log cannot be read now: ${error.message}`;
    }
  }

  async catchUp() {
    let hasMore = !this.isFull();
    while (hasMore) {
      const stream = this.stream;
      const piece = await this.fetch(this.end);
      // Another stream may have been chosen meanwhile.
      hasMore = this.node.isConnected && (stream !== this.stream || this.take(piece));
    }
  }

  // Someone reads, and what comes must not push it away.
  isFull() {
    return !this.follows && this.lines.childElementCount >= MOST_READ;
  }

  async fetch(first) {
    const asked = new URLSearchParams({ group: this.group, prefix: this.prefix });
    if (this.stream !== null) asked.set("stream", this.stream);
    if (first !== null) asked.set("first", first);
    const answer = await fetch(`logs?${asked}`);
    const piece = await answer.json();
    if (!answer.ok) throw new Error(piece.message);
    return piece;
  }

  // Show a piece; return whether there is more to ask for at once.
  take(piece) {
    // The browser tells of a scroll when it draws next; this may come before.
    if (this.follows && this.lines.scrollTop < this.placed) this.onScroll();
    const newest = piece.streams.at(-1) ?? null;
    // A new attempt writes a stream of its own; who reads the old one is left in peace.
    const isOther = this.newest !== null && newest !== this.newest;
    const isLeft = this.follows && isOther && this.stream === this.newest;
    this.newest = newest;
    this.showStreams(piece.streams, isLeft ? newest : (this.stream ?? piece.stream));
    if (newest === null) {
      this.restart(null);
      this.lines.replaceChildren();
      this.tell(0);
      return false;
    }
    if (isLeft || this.isElsewhere(piece)) {
      this.restart(isLeft ? newest : piece.stream);
      return true;
    }
    this.append(piece);
    return piece.end < piece.total && !this.isFull();
  }

  // The plane forgot the stream or lines of it, or so many came that their end is shown at once.
  isElsewhere({ stream, total }) {
    if (this.stream !== null && stream !== this.stream) return true;
    if (this.end === null) return false;
    return total < this.end || (this.follows && total - this.end > MOST_LINES);
  }

  append(piece) {
    this.stream = piece.stream;
    if (this.end === null) {
      this.first = piece.first;
      this.lines.replaceChildren();
    }
    this.end = piece.end;
    this.lines.append(...piece.lines.map(shownLine));
    while (this.follows && this.lines.childElementCount > MOST_LINES) {
      this.lines.firstElementChild.remove();
      this.first += 1;
    }
    this.tell(piece.total);
    if (this.follows) this.place(this.lines.scrollHeight);
  }

  async askEarlier() {
    const { stream } = this;
    const first = Math.max(0, this.first - EARLIER_LINES);
    const piece = await this.fetch(first);
    // Another stream may have been chosen meanwhile.
    if (stream !== this.stream || this.end === null) return;
    this.setFollows(false);
    const height = this.lines.scrollHeight;
    this.lines.prepend(...piece.lines.slice(0, this.first - first).map(shownLine));
    this.first = first;
    this.place(this.lines.scrollTop + this.lines.scrollHeight - height);
    this.tell(piece.total);
  }

  choose(stream) {
    this.restart(stream);
    this.ask();
  }

  showStreams(streams, chosen) {
    this.select.hidden = streams.length < 2;
    if (this.select.childElementCount !== streams.length) {
      this.select.replaceChildren(
        ...streams.map((name) => {
          const option = element("option", { value: name });
          option.textContent = name.slice(this.prefix.length);
          return option;
        }),
      );
    }
    if (chosen !== null) this.select.value = chosen;
  }

  tell(total) {
    this.earlier.hidden = this.first === 0;
    const more = this.isFull() ? "; Follow shows the newest" : "";
    const none = this.isLive ? "No lines yet." : "No lines.";
    this.note.textContent =
      total === 0 ? none : `Lines ${this.first + 1} to ${this.end} of ${total}${more}`;
  }

  place(top) {
    this.lines.scrollTop = top;
    this.placed = this.lines.scrollTop;
  }

  onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.lines;
    if (scrollTop === this.placed) return;
    this.placed = null;
    this.setFollows(scrollHeight - clientHeight - scrollTop < NEAR_END);
  }

  setFollows(follows) {
    const wasFull = this.isFull();
    this.follows = follows;
    this.follow.checked = follows;
    if (follows) this.place(this.lines.scrollHeight);
    if (wasFull && follows) this.ask();
  }
}

function shownLine([at, text]) {
  const line = element("div", { class: "line" });
  const [time, said] = [element("time", {}), element("span", {})];
  [time.textContent, said.textContent] = [clock(at), text];
  line.append(time, said);
  return line;
}

function checkbox(id, isOn, told) {
  const input = element("input", { type: "checkbox", id });
  input.checked = isOn;
  input.addEventListener("change", () => told(input.checked));
  return input;
}

function labelled(input, text) {
  const label = element("label", { class: "check" });
  label.append(input, text);
  return label;
}

function element(tag, attributes) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
