// Times as people say them.

import { signal } from "@preact/signals";

/** Now, as far as what is shown goes: changes every few seconds. */
export const now = signal(Date.now());
setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 5000);

const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];
const words = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "long" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** `3 minutes ago`, with the exact time to be had by pointing at it. */
export function When({ time }: { time: string | undefined }) {
  if (!time) return <span class="faint">–</span>;
  const date = new Date(time);
  return (
    <time dateTime={time} title={exact.format(date)}>
      {ago((now.value - date.getTime()) / 1000)}
    </time>
  );
}

/** A time that is only likely: `in 4 minutes`, `in a moment` where it is near or past. */
export function Soon({ time }: { time: string }) {
  if (Date.parse(time) - now.value < 20_000) return <span>in a moment</span>;
  return <When time={time} />;
}

function ago(seconds: number): string {
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return words.format(-Math.round(seconds / size), unit);
  }
  if (seconds < -10) return words.format(Math.ceil(-seconds), "second");
  return seconds < 10 ? "just now" : `${Math.floor(seconds / 10) * 10} seconds ago`;
}

/** `14:03:07.412`. */
export function clockTime(milliseconds: number): string {
  const date = new Date(milliseconds);
  const two = (part: number) => String(part).padStart(2, "0");
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
