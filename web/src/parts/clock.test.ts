import { expect, test } from "vitest";
import { atWords } from "./clock";

const NOW = new Date(2030, 4, 6, 12, 0);

test("a time is told by how far its day is", () => {
  expect(atWords(new Date(2030, 4, 6, 18, 5), NOW)).toBe("at 18:05");
  expect(atWords(new Date(2030, 4, 7, 9, 0), NOW)).toBe("tomorrow at 09:00");
  expect(atWords(new Date(2030, 4, 5, 23, 59), NOW)).toBe("yesterday at 23:59");
  expect(atWords(new Date(2030, 4, 10, 9, 0), NOW)).toBe("on Friday at 09:00");
  expect(atWords(new Date(2030, 4, 13, 9, 0), NOW)).toBe("on 13 May at 09:00");
  expect(atWords(new Date(2031, 0, 2, 9, 0), NOW)).toBe("on 2 Jan 2031 at 09:00");
});
