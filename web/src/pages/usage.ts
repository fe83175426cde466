// What an allocation was and for how long, as it is drawn and told.

import type { UsageInterval, UsageKind } from "../api/generated";
import { spanWords } from "../parts/spans";

/** The kinds as people see them, those that matter most first. */
export const KINDS: readonly (readonly [kind: UsageKind, word: string])[] = [
  ["READY", "Ready"],
  ["UNHEALTHY", "Unhealthy"],
  ["FAILED", "Failed"],
  ["STARTING", "Starting"],
  ["STOPPING", "Stopping"],
  ["DELETING", "Being removed"],
  ["UNKNOWN", "Not known"],
  ["STOPPED", "Stopped"],
  ["PENDING", "Waiting for room"],
];

export const kindWord = (kind: UsageKind): string =>
  KINDS.find(([one]) => one === kind)?.[1] ?? "Not known";

/** A piece of the line of time, in thousandths of its length. */
export interface Bar {
  kind: UsageKind;
  x: number;
  width: number;
  title: string;
}

/** Shorter pieces could not be seen. */
const LEAST = 3;

const short = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});

/**
 * The intervals as pieces of a line, oldest first.
 *
 * @param intervals in any order.
 * @param from where the line begins, in milliseconds.
 * @param to where it ends.
 */
export function barsOf(intervals: readonly UsageInterval[], from: number, to: number): Bar[] {
  const whole = Math.max(1, to - from);
  return intervals
    .map((one) => {
      const begins = Math.max(from, Date.parse(one.startTime ?? "") || from);
      const ends = Math.min(to, one.open ? to : Date.parse(one.endTime ?? "") || to);
      const x = ((begins - from) / whole) * 1000;
      const width = Math.max(LEAST, ((ends - begins) / whole) * 1000);
      const span = spanWords((ends - begins) / 1000);
      const title = `${kindWord(one.kind)}, ${short.format(begins)}, ${span}`;
      return { kind: one.kind, x: Math.min(x, 1000 - LEAST), width, title, seen: ends > begins };
    })
    .filter(({ seen }) => seen)
    .map(({ seen: _, ...bar }) => bar)
    .sort((one, other) => one.x - other.x);
}

export const WINDOWS = [
  ["hour", "Hour", 3600],
  ["day", "Day", 86_400],
  ["week", "Week", 604_800],
  ["month", "30 days", 2_592_000],
  ["all", "All", 0],
] as const;

export type Window = (typeof WINDOWS)[number][0];

/** From when a window that ends now tells; unset for all of it. */
export function startOf(window: Window, now = Date.now()): string | undefined {
  const seconds = WINDOWS.find(([name]) => name === window)?.[2] ?? 0;
  return seconds > 0 ? new Date(now - seconds * 1000).toISOString() : undefined;
}
