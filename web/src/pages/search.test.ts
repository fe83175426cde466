import { describe, expect, it } from "vitest";
import { addressOf, requestOf, searchOf } from "./search";

const read = (text: string) => searchOf(new URLSearchParams(text));

describe("a search", () => {
  it("comes back from its address", () => {
    const search = { query: "key value & more", category: "database", tag: "c++", order: "new" };
    const address = addressOf(search);
    expect(read(address.slice(2))).toEqual(search);
  });

  it("leaves out what the server would refuse", () => {
    expect(read('category=x"%20OR&tag=A%20b&order=nonsense&q=')).toEqual({
      query: "",
      category: "",
      tag: "",
      order: "",
    });
  });

  it("has the plain address where nothing is asked for", () => {
    expect(addressOf(read(""))).toBe("/");
  });

  it("asks for what fits best first, unless another order is asked for", () => {
    expect(requestOf(read("q=sql")).orderBy).toBe("");
    expect(requestOf(read("")).orderBy).toBe("title");
    expect(requestOf(read("q=sql&order=rents&tag=db"))).toEqual({
      filter: 'state = ACTIVE AND tags : "db"',
      query: "sql",
      orderBy: "rents desc",
    });
  });
});
