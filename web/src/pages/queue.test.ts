import { expect, test } from "vitest";
import { ordinal, placeWords } from "./queue";

test("places are counted as people count", () => {
  expect([1, 2, 3, 4, 11, 12, 13, 21, 22, 103].map(ordinal)).toEqual(
    "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 103rd".split(" "),
  );
});

test("a place is told with how many wait", () => {
  expect(placeWords(1, 1)).toBe("Next in the queue");
  expect(placeWords(1, 4)).toBe("Next of 4 in the queue");
  expect(placeWords(3, 4)).toBe("3rd of 4 in the queue");
});
