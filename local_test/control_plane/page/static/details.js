// What the feed does not carry of a job or an endpoint, asked for when one is looked at.

const known = new Map();

// Return what `path` tells of `name` now; `told` is called once there is more, which is asked for
// when `mark` is another.
export function detailOf(path, name, mark, told) {
  const address = `${path}?${new URLSearchParams({ name })}`;
  const entry = known.get(address) ?? { mark: null, detail: null, isAsking: false };
  if (!known.has(address)) {
    known.clear(); // one thing is looked at at a time
    known.set(address, entry);
  }
  if (entry.mark !== mark && !entry.isAsking) ask(address, entry, mark, told);
  return entry.detail;
}

async function ask(address, entry, mark, told) {
  entry.isAsking = true;
  try {
    const answer = await fetch(address);
    if (answer.ok) entry.detail = await answer.json();
    entry.mark = mark;
  } catch {
    // The plane is away; the next drawing asks again, and must not come of this one.
    entry.isAsking = false;
    return;
  }
  entry.isAsking = false;
  told();
}
