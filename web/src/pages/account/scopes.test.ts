import { describe, expect, it } from "vitest";
import { endAfter, scopeList } from "./scopes";

describe("scopes of a token", () => {
  it("are those that are ticked, and admin last", () => {
    const ticked = { "users:read": true, "allocations:write": true, "feed:read": false };
    expect(scopeList(ticked, true)).toEqual(["allocations:write", "users:read", "admin"]);
    expect(scopeList({}, false)).toEqual([]);
  });
});

describe("the end of a token", () => {
  it("is a little less than the days away", () => {
    const now = Date.parse("2026-01-01T00:00:00Z");
    expect(endAfter(30, now)).toBe("2026-01-30T23:50:00.000Z");
  });
});
