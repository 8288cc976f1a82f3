// How the page words numbers, times and states; the same words as the view in the terminal.

export function number(value, digits = 6) {
  if (value === null || value === undefined) return "–";
  return String(Number(value.toPrecision(digits)));
}

export function valueShown(text) {
  const bare = text.replace(/^"(.*)"$/s, "$1");
  // Neither whole numbers, which are exact, nor what only JavaScript takes for one (0x10, Infinity).
  const isReal = /^[-+]?(\d+\.\d*|\.\d+|\d+(?=e))(e[-+]?\d{1,2})?$/i.test(bare);
  return isReal ? String(Number(Number(bare).toPrecision(4))) : bare;
}

// A name with places where a narrow column may break it: after what joins its words.
export function pieces(name) {
  return name.match(/[_:./-]*[^_:./-]+[_:./-]*/g) ?? [name];
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [
    Math.floor(whole / 3600),
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  const two = (each) => String(each).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

// Not `hour12: false`, by which midnight is 24:00:00 in some languages.
export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString([], { hourCycle: "h23" });
}

export function moment(seconds) {
  return new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
}

export function count(n, one, many = `${one}s`) {
  return `${n} ${n === 1 ? one : many}`;
}

// What one thing of its kind is called.
export function oneOf(kind) {
  return kind.replace(/s$/, "");
}

// Text and mark of a state: what tells one from another is the mark's form, then its colour.
export function stateOf(job) {
  if (job.stopped_early && !isLive(job)) return "Stopped early";
  if (job.status === "InProgress") return job.secondary || job.status;
  const isOther = job.status === "Stopped" && job.secondary && job.secondary !== "Stopped";
  return isOther ? job.secondary : job.status;
}

export function markOf(job) {
  if (isLive(job)) return "live";
  if (job.stopped_early) return "early";
  if (["Failed", "OutOfService", "UpdateRollbackFailed", "Rejected"].includes(job.status))
    return "failed";
  if (job.status === "Stopped") return "stopped";
  return "done";
}

const LIVE = new Set([
  "InProgress",
  "Stopping",
  "Creating",
  "Updating",
  "Deleting",
  "SystemUpdating",
  "RollingBack",
  "Pending",
]);

export function isLive(job) {
  return LIVE.has(job.status);
}

export function seconds(job, now) {
  if (job.started === null || job.started === undefined) return null;
  return Math.max(0, (job.ended ?? now) - job.started);
}
