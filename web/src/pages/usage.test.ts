import { expect, test } from "vitest";
import type { UsageInterval } from "../api/generated";
import { barsOf, startOf } from "./usage";

const at = (second: number) => new Date(second * 1000).toISOString();
const interval = (kind: string, start: number, end: number, open = false) =>
  ({ kind, startTime: at(start), endTime: at(end), open }) as unknown as UsageInterval;

test("intervals fill the line in the order of time", () => {
  const bars = barsOf([interval("STOPPED", 60, 100), interval("READY", 0, 60)], 0, 100_000);
  expect(bars.map(({ kind, x, width }) => [kind, x, width])).toEqual([
    ["READY", 0, 600],
    ["STOPPED", 600, 400],
  ]);
  expect(bars[0]?.title).toMatch(/^Ready, .*, 1 minute$/);
});

test("what goes on reaches to the end, and what began before to the beginning", () => {
  const [bar] = barsOf([interval("READY", 0, 60, true)], 50_000, 100_000);
  expect([bar?.x, bar?.width]).toEqual([0, 1000]);
});

test("what was short can be seen, and what is outside cannot", () => {
  const bars = barsOf([interval("FAILED", 99.999, 100), interval("READY", 0, 10)], 50_000, 100_000);
  expect(bars.map(({ kind, x, width }) => [kind, x, width])).toEqual([["FAILED", 997, 3]]);
});

test("a window ends now", () => {
  expect(startOf("hour", Date.parse(at(7200)))).toBe(at(3600));
  expect(startOf("all")).toBeUndefined();
});
