import { expect, it } from "vitest";
import { runsOf } from "./ansi";
import { marked } from "./rows";

it("what is looked for is marked across runs, as often as it is there", () => {
  const pieces = marked(runsOf("x ab\x1b[1mc abc"), "abc");
  expect(pieces.map(({ text, hit }) => [text, hit])).toEqual([
    ["x ", false],
    ["ab", true],
    ["c", true],
    [" ", false],
    ["abc", true],
  ]);
  expect(pieces.map(({ text }) => text).join("")).toBe("x abc abc");
});
