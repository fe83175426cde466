import { describe, expect, it } from "vitest";
import { joined, quoted } from "./filter";

describe("a filter", () => {
  it("cannot be left by what somebody types", () => {
    expect(quoted('a" OR role = "ADMIN')).toBe('"a\\" OR role = \\"ADMIN"');
    expect(quoted("back\\slash")).toBe('"back\\\\slash"');
  });

  it("has what is asked for only", () => {
    expect(joined("state = ACTIVE", "", false, undefined)).toBe("state = ACTIVE");
    expect(joined("a = 1", "b = 2")).toBe("a = 1 AND b = 2");
    expect(joined()).toBe("");
  });
});
