import { describe, expect, it } from "vitest";
import type { LogLines } from "../api/generated";
import { asText, LineStore } from "./lines";

const batch = (first: number, texts: string[], rest: Partial<LogLines> = {}): LogLines => ({
  firstSeq: String(first),
  times: texts.map(() => 1000),
  texts,
  streams: "o".repeat(texts.length),
  truncated: [],
  generation: 1,
  incarnation: 1,
  seqs: [],
  lastSeq: "0",
  ...rest,
});
const texts = (store: LineStore) => store.shown.map((row) => row.text);

describe("the lines of a page", () => {
  it("come once each, although a batch is sent again", () => {
    const store = new LineStore();
    store.append(batch(1, ["a", "b"]));
    store.append(batch(2, ["b", "c"]));
    expect(texts(store)).toEqual(["a", "b", "c"]);
    expect(store.last).toBe(3);
  });

  it("keep their own numbers where a filter has left some out", () => {
    const store = new LineStore();
    store.append(batch(1, ["a", "b"], { seqs: ["4", "9"] }));
    expect(store.shown.map((row) => row.seq)).toEqual([4, 9]);
  });

  it("are bounded: the oldest go", () => {
    const store = new LineStore(100);
    for (let at = 0; at < 50; at += 1) {
      store.append(
        batch(
          1 + at * 10,
          Array.from({ length: 10 }, (_, i) => `${at * 10 + i + 1}`),
        ),
      );
    }
    expect(store.size).toBeLessThanOrEqual(110);
    expect(store.shown.at(-1)?.text).toBe("500");
    expect(store.dropped + store.shown.length).toBe(500);
  });

  it("show gaps as rows, and only what of them is new", () => {
    const store = new LineStore();
    store.append(batch(1, ["a"]));
    store.gap({ firstSeq: "2", lastSeq: "11", cause: "SLOW_READER" });
    store.gap({ firstSeq: "2", lastSeq: "11", cause: "SLOW_READER" });
    store.append(batch(12, ["b"]));
    expect(store.shown.map((row) => row.kind)).toEqual(["line", "gap", "line"]);
    expect(texts(store)[1]).toBe("10 lines are missing: this page read too slowly");
    expect(store.last).toBe(12);
  });

  it("tell where the program was started again", () => {
    const store = new LineStore();
    store.append(batch(1, ["a"]));
    store.append(batch(2, ["b"], { incarnation: 2 }));
    expect(store.shown.map((row) => row.kind)).toEqual(["line", "start", "line"]);
  });

  it("are filtered by text without colours, and by stream", () => {
    const store = new LineStore();
    store.append(batch(1, ["\x1b[31mOne\x1b[0m two", "three"], { streams: "oe" }));
    store.show({ contains: "one TWO", stream: "" });
    expect(store.shown.length).toBe(1);
    store.append(batch(3, ["one two again", "nothing"]));
    expect(store.shown.length).toBe(2);
    store.show({ contains: "", stream: "err" });
    expect(texts(store)).toEqual(["three"]);
  });

  it("take older ones before the first", () => {
    const store = new LineStore();
    store.append(batch(3, ["c"]));
    const row = { kind: "line", time: 0, stderr: false, truncated: false } as const;
    store.prepend([
      { ...row, seq: 2, last: 2, text: "b" },
      { ...row, seq: 3, last: 3, text: "c again" },
    ]);
    expect(texts(store)).toEqual(["b", "c"]);
    expect(store.prepended).toBe(1);
  });

  it("become plain text", () => {
    const store = new LineStore();
    store.append(batch(1, ["\x1b[1ma\x1b[0m"]));
    expect(asText(store.shown, false)).toBe("a\n");
    expect(asText(store.shown, true)).toBe("1970-01-01T00:00:01.000Z a\n");
  });
});
