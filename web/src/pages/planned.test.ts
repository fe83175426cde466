import { expect, test } from "vitest";
import type { Allocation, PlannedChange } from "../api/generated";
import { planChoices, plannedWhy, plannedWords } from "./planned";

const NOW = new Date(2030, 4, 6, 12, 0);
const planned = (reason: string, desiredState = "STOPPED") =>
  ({
    time: new Date(2030, 4, 6, 18, 0).toISOString(),
    desiredState,
    reason: { reason, message: "" },
  }) as unknown as PlannedChange;
const allocation = (said: object) => said as Allocation;

test("what is planned is told with its time", () => {
  expect(plannedWords(planned("IDLE"), NOW)).toBe("Will stop at 18:00");
  expect(plannedWords(planned("EXPIRED", "DELETED"), NOW)).toBe("Will be removed at 18:00");
  expect(plannedWords(planned("SCHEDULED", "RUNNING"), NOW)).toBe("Will start at 18:00");
});

test("why it will happen is told", () => {
  expect(plannedWhy(planned("IDLE"))).toMatch("somebody uses it");
  expect(plannedWhy(planned("EXPIRED"))).toMatch("time is over");
  const other = { reason: { reason: "SOMETHING", message: "Since it must." } };
  expect(plannedWhy(other as unknown as PlannedChange)).toBe("Since it must.");
});

test("an end can be put off, from when it is or from now, whichever is later", () => {
  const expireTime = "2030-05-06T18:00:00.000Z";
  const [hour] = planChoices(allocation({ planned: planned("EXPIRED"), expireTime }));
  if (hour?.kind !== "change") throw new Error("no choice");
  expect(hour.mask).toBe("expireTime");
  const at = (now: string) => hour.change(Date.parse(now)).expireTime;
  expect(at("2030-05-06T12:00:00Z")).toBe("2030-05-06T19:00:00.000Z");
  expect(at("2030-05-06T20:00:00Z")).toBe("2030-05-06T21:00:00.000Z");
});

test("what is idle can be kept running, what a schedule does is changed there", () => {
  const idle = planChoices(allocation({ planned: planned("IDLE") }));
  expect(idle.map(({ label }) => label)).toEqual(["Keep it running", "Change…"]);
  const week = planChoices(allocation({ planned: planned("SCHEDULED") }));
  expect(week.map(({ kind }) => kind)).toEqual(["edit"]);
});
