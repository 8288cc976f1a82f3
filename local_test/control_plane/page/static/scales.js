// From values to places on a chart, and the values that an axis names.

const FAR = 8; // in distances from the first to the third quarter of the values
const FEWEST = 5; // values of which some may be far from the others
const CLOCK_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400];

export function linear(low, high, from, to) {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

// The scale of a tuned range, as the service names it.
export function scaleOf(range, values, from, to) {
  const [low, high] = bounds(range, values);
  if (range.scale === "Logarithmic" && low > 0) {
    const place = linear(Math.log(low), Math.log(high), from, to);
    return { place: (value) => place(Math.log(value)), ticks: logTicks(low, high) };
  }
  if (range.scale === "ReverseLogarithmic" && high < 1) {
    const reversed = (value) => -Math.log(1 - value);
    const place = linear(reversed(low), reversed(high), from, to);
    const ticks = logTicks(1 - high, 1 - low).map((left) => Number((1 - left).toPrecision(9)));
    return { place: (value) => place(reversed(value)), ticks };
  }
  const ticks = niceTicks(low, high, 4);
  return {
    place: linear(low, high, from, to),
    ticks: range.is_whole ? ticks.filter(Number.isInteger) : ticks,
  };
}

// Values that a warm start has brought may lie outside the range.
function bounds(range, values) {
  const low = Math.min(range.low, ...values);
  const high = Math.max(range.high, ...values);
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

// The ends of an axis for an objective's values, and how many bad ones lie beyond it: a trial that
// diverged shall not make all others look alike.
export function mostly(values, objective, part) {
  const sign = objective.type === "Minimize" ? 1 : -1; // a high value is a bad one
  const sorted = values.map((each) => sign * each).sort((one, other) => one - other);
  const at = (place) => sorted[Math.round(place * (sorted.length - 1))];
  const reach = FAR * (at(0.75) - at(0.25));
  const hasFar = sorted.length >= FEWEST && reach > 0;
  const near = hasFar ? sorted.filter((each) => each <= at(0.75) + reach) : sorted;
  const [low, high] = padded(
    near.map((each) => sign * each),
    part,
  );
  return { low, high, beyond: sorted.length - near.length };
}

export function clamped(place, from, to) {
  const [low, high] = [Math.min(from, to), Math.max(from, to)];
  return (value) => Math.min(high, Math.max(low, place(value)));
}

export function padded(values, part = 0.08) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = (high - low) * part || Math.abs(high) * part || 0.5;
  return [low - pad, high + pad];
}

export function niceTicks(low, high, wanted) {
  const rough = (high - low) / wanted;
  if (!(rough > 0) || !Number.isFinite(rough)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const far = (step) => Math.abs((high - low) / step - wanted);
  const step = [1, 2, 5, 10]
    .map((each) => each * power)
    .reduce((best, each) => (far(each) < far(best) ? each : best));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, place) =>
    Number(((first + place) * step).toPrecision(12)),
  );
}

export function logTicks(low, high) {
  const decades = Math.log10(high / low);
  const steps = decades > 3 ? [1] : decades > 1 ? [1, 3] : [1, 2, 5];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const step of steps) found.push(Number((step * 10 ** power).toPrecision(3)));
  }
  const inside = found.filter((value) => value >= low * 0.999 && value <= high * 1.001);
  return inside.length > 1 ? inside : [low, high];
}

// Seconds between two times, as whole steps of a clock.
export function timeTicks(low, high, wanted) {
  const step = CLOCK_STEPS.find((each) => (high - low) / each <= wanted) ?? CLOCK_STEPS.at(-1);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(Math.floor(high / step) - first + 1, 0) }, (_, place) =>
    (first + place) * step,
  );
}

// Whole numbers from 1 to n, as many as there is room for.
export function countTicks(n, wanted) {
  const step = Math.max(1, niceTicks(0, n, wanted).at(1) ?? 1);
  const found = [];
  for (let value = step > 1 ? step : 1; value <= n; value += step) found.push(Math.round(value));
  return found[0] === 1 || n < 1 ? found : [1, ...found];
}
