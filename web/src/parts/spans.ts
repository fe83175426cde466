// Spans of time, as the wire has them (`3600s`), and as people say them.

/** The seconds of a span on the wire; 0 for none. */
export const secondsOf = (span: string | undefined): number => Number.parseFloat(span || "0") || 0;

/** A span as the wire has it; undefined for none. */
export const spanOf = (seconds: number): string | undefined =>
  seconds > 0 ? `${seconds}s` : undefined;

const UNITS: readonly (readonly [word: string, short: string, seconds: number])[] = [
  ["day", "d", 86_400],
  ["hour", "h", 3600],
  ["minute", "min", 60],
  ["second", "s", 1],
];

/** `2 days 3 hours`, `1 hour`, `40 seconds`: the two largest units that there are. */
export function spanWords(seconds: number): string {
  return parts(seconds)
    .map(([count, word]) => `${count} ${word}${count === 1 ? "" : "s"}`)
    .join(" ");
}

/** `2 d 3 h`: the same where there is little room. */
export function shortSpan(seconds: number): string {
  if (seconds > 0 && seconds < 1) return "< 1 s";
  return parts(seconds)
    .map(([count, , short]) => `${count} ${short}`)
    .join(" ");
}

function parts(seconds: number): [count: number, word: string, short: string][] {
  let rest = Math.max(0, Math.round(seconds));
  const found: [number, string, string][] = [];
  for (const [at, [word, short, size]] of UNITS.entries()) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) found.push([count, word, short]);
    // What comes after the unit next to the first one does not matter any more.
    const first = found[0];
    if (first && at > UNITS.findIndex(([one]) => one === first[1])) break;
  }
  return found.length > 0 ? found : [[0, "second", "s"]];
}

/** `99.97 %`: never 100 where something is missing. */
export function shareWords(share: number): string {
  if (share >= 1) return "100 %";
  const percent = Math.floor(share * 10_000) / 100;
  return `${percent >= 99 ? percent.toFixed(2) : percent.toFixed(1)} %`;
}
