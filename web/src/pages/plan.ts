// What shall become of an allocation by time, as a form has it: when it ends, when it stops for want of
// use, at which times of the week it starts and stops.

import type { Allocation } from "../api/generated";
import { secondsOf, spanOf, spanWords } from "../parts/spans";

export const DAYS = [
  ["MONDAY", "Mon", "Monday"],
  ["TUESDAY", "Tue", "Tuesday"],
  ["WEDNESDAY", "Wed", "Wednesday"],
  ["THURSDAY", "Thu", "Thursday"],
  ["FRIDAY", "Fri", "Friday"],
  ["SATURDAY", "Sat", "Saturday"],
  ["SUNDAY", "Sun", "Sunday"],
] as const;

export type Day = (typeof DAYS)[number][0];

/** One line of a schedule. */
export interface Turn {
  action: "START" | "STOP";
  days: readonly Day[];
  /** `HH:MM`. */
  time: string;
}

export interface Plan {
  /** Empty for never; seconds from the moment of sending; `at` for the time in `expireAt`. */
  expires: string;
  /** As an input of local times has it. */
  expireAt: string;
  expireAction: "STOP" | "DELETE";
  /** In seconds, as text; `0` for never. */
  idle: string;
  zone: string;
  turns: readonly Turn[];
}

/** What an allocation says of its plan, as far as it says anything. */
export type Planned = Partial<
  Pick<Allocation, "expireTime" | "expireAction" | "idlePolicy" | "schedule">
>;

/** The time zone that the browser is set to. */
export const ownZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** The plan that an allocation has. */
export function planOf({ expireTime, expireAction, idlePolicy, schedule }: Planned): Plan {
  return {
    expires: expireTime ? "at" : "",
    expireAt: expireTime ? localTime(new Date(expireTime)) : "",
    expireAction: expireAction === "DELETE" ? "DELETE" : "STOP",
    idle: String(secondsOf(idlePolicy?.timeout)),
    zone: schedule?.timeZone || ownZone(),
    turns: (schedule?.actions ?? []).map(({ action, days, time }) => ({
      action: action === "STOP" ? "STOP" : "START",
      // No day is every day.
      days: DAYS.map(([day]) => day).filter((day) => days.length === 0 || days.includes(day)),
      time,
    })),
  };
}

/** What the wire has of a plan; what there is none of is left out. */
export function wireOf(plan: Plan, now = Date.now()) {
  const { expires, expireAt, expireAction, idle, zone, turns } = plan;
  const at = expires === "at" ? Date.parse(expireAt) : now + Number(expires) * 1000;
  const ends = expires !== "" && Number.isFinite(at);
  const timeout = spanOf(Number(idle));
  return {
    ...(ends ? { expireTime: new Date(at).toISOString(), expireAction } : {}),
    ...(timeout ? { idlePolicy: { timeout } } : {}),
    ...(turns.length > 0
      ? {
          schedule: {
            timeZone: zone.trim(),
            actions: turns.map(({ action, days, time }) => ({ action, days: [...days], time })),
          },
        }
      : {}),
  };
}

/** What is wrong with a plan, before it is sent; empty where nothing is. */
export function planFault({ expires, expireAt, turns }: Plan, now = Date.now()): string {
  if (expires === "at") {
    const at = Date.parse(expireAt);
    if (!Number.isFinite(at)) return "Say when it ends.";
    if (at <= now) return "The time when it ends is past.";
  }
  if (turns.some(({ days }) => days.length === 0)) return "Choose a day for each line.";
  if (turns.some(({ time }) => !/^\d\d:\d\d$/.test(time))) return "Say a time for each line.";
  return "";
}

/** The fields of an allocation that two plans differ in. */
export function changedIn(before: Plan, after: Plan): string[] {
  const changed: string[] = [];
  const differ = (...names: (keyof Plan)[]) =>
    names.some((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  if (differ("expires", "expireAt")) changed.push("expireTime");
  if (after.expires && (differ("expireAction") || !before.expires)) changed.push("expireAction");
  if (differ("idle")) changed.push("idlePolicy");
  if (differ("turns") || (after.turns.length > 0 && differ("zone"))) changed.push("schedule");
  return changed;
}

/** A time as an input of local times has it, to the minute. */
export function localTime(time: Date): string {
  const two = (part: number) => String(part).padStart(2, "0");
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${date}T${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** `Mon–Fri`, `Sat, Sun`, `every day`. */
export function dayWords(days: readonly string[]): string {
  const on = DAYS.map(([day]) => days.includes(day));
  if (days.length === 0 || on.every(Boolean)) return "every day";
  const runs: string[] = [];
  for (let from = 0; from < 7; from += 1) {
    if (!on[from]) continue;
    let to = from;
    while (on[to + 1]) to += 1;
    const name = (at: number) => (DAYS[at] as (typeof DAYS)[number])[1];
    if (to - from > 1) runs.push(`${name(from)}–${name(to)}`);
    else for (let at = from; at <= to; at += 1) runs.push(name(at));
    from = to;
  }
  return runs.join(", ");
}

/** `starts Mon–Fri at 09:00`. */
export const turnWords = ({
  action,
  days,
  time,
}: Omit<Turn, "action" | "days"> & {
  action: string;
  days: readonly string[];
}): string => `${action === "STOP" ? "stops" : "starts"} ${dayWords(days)} at ${time}`;

/** Spans to choose from, with one more where it is none of them. */
export function spanChoices(
  seconds: readonly number[],
  chosen: string,
): (readonly [value: string, label: string])[] {
  const all =
    seconds.map(String).includes(chosen) || !Number(chosen)
      ? seconds
      : [...seconds, Number(chosen)];
  return [...all].sort((one, other) => one - other).map((one) => [String(one), spanWords(one)]);
}
