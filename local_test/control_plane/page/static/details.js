// What the feed does not carry of a training job, asked for when one is looked at.

const known = new Map();

// Return what is known of a job now; `told` is called once there is more.
export function detailOf(job, told) {
  const mark = [job.status, job.secondary, JSON.stringify(job.metrics)].join(" ");
  const entry = known.get(job.name) ?? { mark: null, detail: null, isAsking: false };
  if (!known.has(job.name)) {
    known.clear(); // one job is looked at at a time
    known.set(job.name, entry);
  }
  if (entry.mark !== mark && !entry.isAsking) ask(job.name, entry, mark, told);
  return entry.detail;
}

async function ask(name, entry, mark, told) {
  entry.isAsking = true;
  try {
    const answer = await fetch(`training?${new URLSearchParams({ name })}`);
    if (answer.ok) entry.detail = await answer.json();
    entry.mark = mark;
  } catch {
    // The plane is away; the next state of the job asks again.
  }
  entry.isAsking = false;
  told();
}
