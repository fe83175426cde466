// What will happen to an allocation by itself, in words, and what one can do about it.

import type { Allocation, PlannedChange } from "../api/generated";
import { atWords } from "../parts/clock";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export type PlanChoice =
  | {
      kind: "change";
      label: string;
      mask: string;
      /** What is sent, by the time when it is. */
      change: (now: number) => { expireTime?: string };
      /** What is said once it is so. */
      done: string;
    }
  | { kind: "edit"; label: string };

/** `Will stop at 18:00`. */
export function plannedWords({ time, desiredState }: PlannedChange, now = new Date()): string {
  const will =
    desiredState === "DELETED"
      ? "Will be removed"
      : desiredState === "RUNNING"
        ? "Will start"
        : "Will stop";
  return `${will} ${atWords(new Date(time ?? ""), now)}`;
}

/** Why that will happen, as the end of a sentence. */
export function plannedWhy({ reason }: PlannedChange): string {
  if (reason?.reason === "EXPIRED") return "because its time is over then";
  if (reason?.reason === "IDLE") return "unless somebody uses it before";
  if (reason?.reason === "SCHEDULED") return "because its schedule says so";
  return reason?.message ?? "";
}

/** The ways to have otherwise what is planned; none where nothing is. */
export function planChoices({ planned, expireTime }: Allocation): PlanChoice[] {
  const edit = { kind: "edit", label: "Change…" } as const;
  if (planned?.reason?.reason === "EXPIRED") {
    const later = (label: string, by: number, done: string): PlanChoice => ({
      kind: "change",
      label,
      mask: "expireTime",
      change: (now) => {
        const from = Math.max(now, Date.parse(expireTime ?? "") || now);
        return { expireTime: new Date(from + by).toISOString() };
      },
      done,
    });
    return [
      later("+ 1 hour", HOUR_MS, "It ends an hour later."),
      later("+ 1 day", DAY_MS, "It ends a day later."),
      edit,
    ];
  }
  if (planned?.reason?.reason === "IDLE") {
    return [
      {
        kind: "change",
        label: "Keep it running",
        mask: "idlePolicy",
        change: () => ({}),
        done: "It is not stopped for being idle any more.",
      },
      edit,
    ];
  }
  return [edit];
}
