import { expect, test } from "vitest";
import type { Allocation } from "../api/generated";
import { isCalled, isOf } from "./allocation-kinds";

const one = (said: object) =>
  ({
    name: "allocations/7f3k2m9q",
    displayName: "My cache",
    machine: "machines/redis",
    machineTitle: "Redis",
    labels: { team: "blue" },
    host: "127.0.0.1",
    port: 20001,
    state: "READY",
    ...said,
  }) as unknown as Allocation;

test("a kind is a set of states", () => {
  expect(isOf("", one({}))).toBe(true);
  expect(isOf("running", one({}))).toBe(true);
  expect(isOf("wrong", one({}))).toBe(false);
  expect(isOf("wrong", one({ state: "UNHEALTHY" }))).toBe(true);
  expect(isOf("planned", one({}))).toBe(false);
  expect(isOf("planned", one({ planned: { time: "2030-01-01T00:00:00Z" } }))).toBe(true);
});

test("an allocation is found by each of its names, by labels and by its address", () => {
  for (const wanted of ["", "cache", "REDIS my", "7f3k", "team=blue", ":20001"]) {
    expect(isCalled(wanted, one({}))).toBe(true);
  }
  expect(isCalled("cache postgres", one({}))).toBe(false);
});
