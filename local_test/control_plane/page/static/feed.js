// The plane's jobs, kept up to date by server-sent events, also over pauses and restarts of it.

const SILENCE_MS = 25_000; // the plane says something every 10 s
const HIDDEN_MS = 30_000; // a browser has few connections to one address; hidden pages leave theirs
const RETRY_MS = [500, 1000, 2000, 5000];

export class Feed {
  constructor(told) {
    this.told = told;
    this.lists = {};
    this.state = "connecting";
    this.lastId = "";
    this.offset = 0; // the plane's clock less this one's, in seconds
    this.tries = 0;
    document.addEventListener("visibilitychange", () => this.onVisibility());
    window.addEventListener("pagehide", () => this.close());
    window.addEventListener("pageshow", () => this.source || this.open());
  }

  now() {
    return Date.now() / 1000 + this.offset;
  }

  open() {
    this.close();
    const after = this.lastId ? `?after=${encodeURIComponent(this.lastId)}` : "";
    this.source = new EventSource(`events${after}`);
    for (const kind of ["changes", "beat"]) {
      this.source.addEventListener(kind, (event) => this.take(event));
    }
    this.source.onerror = () => this.retry();
    this.listen();
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  retry() {
    this.close();
    this.setState("offline");
    this.timer = setTimeout(
      () => this.open(),
      RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)],
    );
  }

  listen() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.retry(), SILENCE_MS);
  }

  take(event) {
    const changes = JSON.parse(event.data);
    this.lastId = event.lastEventId;
    this.offset = changes.now - Date.now() / 1000;
    this.tries = 0;
    this.listen();
    this.merge(changes);
    this.state = "live";
    this.told();
  }

  merge(changes) {
    if (changes.is_all) this.lists = {};
    for (const [list, records] of Object.entries(changes.records)) {
      const known = (this.lists[list] ??= new Map());
      for (const record of records) known.set(nameOf(record), record);
    }
    for (const [list, names] of Object.entries(changes.removed)) {
      for (const name of names) this.lists[list]?.delete(name);
    }
  }

  setState(state) {
    this.state = state;
    this.told();
  }

  onVisibility() {
    clearTimeout(this.hiding);
    if (document.hidden) {
      this.hiding = setTimeout(() => this.close(), HIDDEN_MS);
    } else if (!this.source) this.open();
  }
}

function nameOf(record) {
  return record.kind === undefined ? record.name : `${record.kind}/${record.name}`;
}
