import { expect, test } from "vitest";
import { fileName } from "./transfers";

test("a file is called as the server says, and never by a path", () => {
  expect(fileName('attachment; filename="data.tar.gz"')).toBe("data.tar.gz");
  expect(fileName("attachment; filename=data.tar")).toBe("data.tar");
  expect(fileName("attachment; filename*=UTF-8''data.zip")).toBe("data.zip");
  expect(fileName('attachment; filename="../../etc/passwd"')).toBe("passwd");
  expect(fileName("")).toBe("");
});
