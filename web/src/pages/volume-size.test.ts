import { expect, test } from "vitest";
import { amountIn, mibOf, unitFor } from "./volume-size";

test.each([
  [512, "MiB", "512"],
  [1024, "GiB", "1"],
  [1536, "MiB", "1536"],
  [2 * 1024 * 1024, "TiB", "2"],
] as const)("%i MiB are shown in %s", (mib, unit, amount) => {
  expect(unitFor(mib)).toBe(unit);
  expect(amountIn(mib, unit)).toBe(amount);
  expect(mibOf(amount, unit)).toBe(mib);
});

test("what is no number is no size, and no size is shown as nothing", () => {
  expect(mibOf("", "GiB")).toBe(0);
  expect(mibOf("many", "GiB")).toBe(0);
  expect(mibOf("-3", "GiB")).toBe(0);
  expect(amountIn(0, "GiB")).toBe("");
  expect(mibOf("999999999", "TiB")).toBe(10 * 1024 * 1024);
});
