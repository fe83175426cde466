import { expect, test } from "vitest";
import { secondsOf, shareWords, shortSpan, spanOf, spanWords } from "./spans";

test("spans are read as the wire has them, and written so again", () => {
  expect(secondsOf("3600s")).toBe(3600);
  expect(secondsOf("0.5s")).toBe(0.5);
  expect(secondsOf(undefined)).toBe(0);
  expect(spanOf(90)).toBe("90s");
  expect(spanOf(0)).toBeUndefined();
});

test("a span is told by its two largest units", () => {
  expect(spanWords(0)).toBe("0 seconds");
  expect(spanWords(1)).toBe("1 second");
  expect(spanWords(61)).toBe("1 minute 1 second");
  expect(spanWords(3600)).toBe("1 hour");
  expect(spanWords(3605)).toBe("1 hour");
  expect(spanWords(90_061)).toBe("1 day 1 hour");
  expect(shortSpan(7_500)).toBe("2 h 5 min");
  expect(shortSpan(0.2)).toBe("< 1 s");
});

test("an availability is never rounded up to all of it", () => {
  expect(shareWords(1)).toBe("100 %");
  expect(shareWords(0.999_99)).toBe("99.99 %");
  expect(shareWords(0.5)).toBe("50.0 %");
  expect(shareWords(0)).toBe("0.0 %");
});
