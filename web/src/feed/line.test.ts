import { expect, test } from "vitest";
import { commentOn, lineOf } from "./line";

test("the address of a comment on a line says which line it is about", () => {
  const address = new URL(commentOn("machines/redis", "allocations/a1b2c3d4", 17), "http://x");
  expect(address.pathname).toBe("/machines/redis");
  expect(lineOf(address.searchParams)).toEqual({
    allocation: "allocations/a1b2c3d4",
    cursor: "17",
  });
});

test.each(["", "a1b2", "a1b2c3d4:", "a1b2c3d4:0", "../x:1", "a1b2c3d4:1x"])(
  "%j names no line",
  (said) => {
    expect(lineOf(new URLSearchParams({ line: said }))).toBeUndefined();
  },
);
