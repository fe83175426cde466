import { describe, expect, it } from "vitest";
import { textParts } from "./notice-text";

describe("the text of a notice", () => {
  it("has paragraphs, and quotes what begins with four spaces", () => {
    const text = "It has\nfailed.\n\nIts last lines:\n\n    a  b\n      c\n\n\nStart it again.\n";
    expect(textParts(text)).toEqual([
      { text: "It has failed.", quoted: false },
      { text: "Its last lines:", quoted: false },
      { text: "a  b\n  c", quoted: true },
      { text: "Start it again.", quoted: false },
    ]);
  });

  it("may be empty", () => {
    expect(textParts("")).toEqual([]);
  });
});
