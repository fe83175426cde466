import { describe, expect, it } from "vitest";
import { EMPTY, idFor, machineOf, NEW_VARIABLE, tagsOf } from "./machine-draft";

describe("tags", () => {
  it("are words in small letters, each once", () => {
    expect(tagsOf(" SQL, key-value  sql,")).toEqual(["sql", "key-value"]);
    expect(tagsOf("")).toEqual([]);
  });
});

describe("a name for the address", () => {
  it("has what addresses may have only", () => {
    expect(idFor("  7 Müller & Söhne! ")).toBe("muller-sohne");
  });
});

describe("a machine of a draft", () => {
  it("makes up values of secret variables only", () => {
    const variable = { ...NEW_VARIABLE, key: "A", generatedLength: 24 };
    const sent = machineOf({ ...EMPTY, variables: [variable, { ...variable, secret: true }] });
    expect(sent.variables?.map((one) => one.generatedLength)).toEqual([0, 24]);
  });
});
