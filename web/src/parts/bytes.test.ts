import { expect, test } from "vitest";
import { bytes, bytesOf, cores, writtenBytes } from "./bytes";

test("bytes are told shortly", () => {
  expect(bytes(0)).toBe("0 B");
  expect(bytes(1536)).toBe("1.5 KB");
  expect(bytes(512 * 2 ** 20)).toBe("512 MB");
});

test("bytes are read as people write them", () => {
  expect(bytesOf("512 MB")).toBe(512 * 2 ** 20);
  expect(bytesOf("1,5g")).toBe(1.5 * 2 ** 30);
  expect(bytesOf("2GiB")).toBe(2 * 2 ** 30);
  expect(bytesOf("100")).toBe(100);
  expect(bytesOf("much")).toBeUndefined();
});

test("what is written into a field is exactly what is read from it", () => {
  for (const count of [0, 1, 1023, 1025, 2 ** 20, 3 * 2 ** 29, 10 ** 9]) {
    expect(bytesOf(writtenBytes(count))).toBe(count);
  }
});

test("thousandths of a core are told as cores", () => {
  expect(cores(1000)).toBe("1 core");
  expect(cores(250)).toBe("0.25 cores");
});
