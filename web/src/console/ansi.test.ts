import { describe, expect, it } from "vitest";
import { PLAIN, runsOf, stripped } from "./ansi";

describe("a line of a log", () => {
  it("without escapes is one plain run", () => {
    expect(runsOf("hello")).toEqual([{ text: "hello", look: PLAIN }]);
    expect(runsOf("")).toEqual([]);
  });

  it("keeps colours and weights", () => {
    const runs = runsOf("a\x1b[1;31mb\x1b[22mc\x1b[0md");
    expect(runs.map((run) => run.text)).toEqual(["a", "b", "c", "d"]);
    expect(runs[1]?.look).toEqual({ ...PLAIN, colour: "a1", bold: true });
    expect(runs[2]?.look).toEqual({ ...PLAIN, colour: "a1" });
    expect(runs[3]?.look).toEqual(PLAIN);
  });

  it("knows bright, indexed and true colours", () => {
    const colour = (codes: string) => runsOf(`\x1b[${codes}mx`)[0]?.look.colour;
    expect(colour("92")).toBe("a10");
    expect(colour("38;5;9")).toBe("a9");
    expect(colour("38;5;196")).toBe("rgb(255,0,0)");
    expect(colour("38;5;232")).toBe("rgb(8,8,8)");
    expect(colour("38;2;1;2;3")).toBe("rgb(1,2,3)");
    expect(colour("38;2;1;2;3;1")).toBe("rgb(1,2,3)");
    expect(colour("38;2;1;2;999")).toBe("");
  });

  it("drops every other escape", () => {
    expect(stripped("\x1b[2K\x1b[1Ga\x1b]0;title\x07b\x1b(Bc\rd\x1b]8;;http://x\x1b\\e")).toBe(
      "abcde",
    );
    expect(runsOf("\x1b[?25lx").map((run) => run.text)).toEqual(["x"]);
    expect(stripped("an end cut off \x1b")).toBe("an end cut off ");
  });
});
