import { expect, test } from "vitest";
import {
  changedIn,
  dayWords,
  type Plan,
  planFault,
  planOf,
  spanChoices,
  turnWords,
  wireOf,
} from "./plan";

const NONE: Plan = planOf({});
const TURN = { action: "STOP", days: ["MONDAY"], time: "18:00" } as const;

test("nothing is planned where nothing is said", () => {
  expect(wireOf(NONE)).toEqual({});
  expect(planFault(NONE)).toBe("");
});

test("what an allocation says comes back unchanged", () => {
  const said = {
    expireTime: "2031-05-06T07:08:00.000Z",
    expireAction: "DELETE" as const,
    idlePolicy: { timeout: "1800s" },
    schedule: { timeZone: "Europe/Berlin", actions: [{ ...TURN, days: [...TURN.days] }] },
  };
  const plan = planOf(said);
  expect(wireOf(plan)).toEqual(said);
  expect(changedIn(plan, plan)).toEqual([]);
});

test("a line without days is one of every day", () => {
  const schedule = {
    timeZone: "UTC",
    actions: [{ action: "START" as const, days: [], time: "09:00" }],
  };
  expect(planOf({ schedule }).turns[0]?.days).toHaveLength(7);
  expect(dayWords([])).toBe("every day");
});

test("an end after a span counts from when it is sent", () => {
  const now = Date.parse("2030-01-01T00:00:00Z");
  const { expireTime } = wireOf({ ...NONE, expires: "3600" }, now) as { expireTime: string };
  expect(expireTime).toBe("2030-01-01T01:00:00.000Z");
});

test("only what has changed is named", () => {
  expect(changedIn(NONE, { ...NONE, expires: "3600" })).toEqual(["expireTime", "expireAction"]);
  expect(changedIn(NONE, { ...NONE, expireAction: "DELETE" })).toEqual([]);
  expect(changedIn(NONE, { ...NONE, idle: "600" })).toEqual(["idlePolicy"]);
  expect(changedIn(NONE, { ...NONE, zone: "UTC" })).toEqual([]);
  expect(changedIn({ ...NONE, turns: [TURN] }, NONE)).toEqual(["schedule"]);
  expect(changedIn({ ...NONE, expires: "at", expireAt: "2031-01-01T00:00" }, NONE)).toEqual([
    "expireTime",
  ]);
});

test("what cannot be is said before it is sent", () => {
  expect(planFault({ ...NONE, expires: "at" })).toMatch("when it ends");
  expect(planFault({ ...NONE, expires: "at", expireAt: "2001-01-01T00:00" })).toMatch("past");
  expect(planFault({ ...NONE, turns: [{ ...TURN, days: [] }] })).toMatch("day");
  expect(planFault({ ...NONE, turns: [{ ...TURN, time: "" }] })).toMatch("time");
});

test("days of the week are told in runs", () => {
  expect(dayWords(["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"])).toBe("Mon–Fri");
  expect(dayWords(["SUNDAY", "SATURDAY"])).toBe("Sat, Sun");
  expect(dayWords(["MONDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"])).toBe("Mon, Wed–Fri");
  expect(turnWords(TURN)).toBe("stops Mon at 18:00");
});

test("a span of one's own is among those to choose from", () => {
  expect(spanChoices([600, 3600], "1800").map(([value]) => value)).toEqual(["600", "1800", "3600"]);
  expect(spanChoices([600, 3600], "0").map(([value]) => value)).toEqual(["600", "3600"]);
});
