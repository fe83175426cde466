import { describe, expect, it } from "vitest";
import { layOut, linesOf, requestId } from "./transport";

describe("a request", () => {
  it("goes into the path, and the rest into the body", () => {
    expect(
      layOut("POST", "/v1/{name=machines/*}:publish", "*", { name: "machines/a b", etag: "e" }),
    ).toEqual({
      verb: "POST",
      url: "/v1/machines/a%20b:publish",
      body: '{"etag":"e"}',
    });
  });

  it("keeps in the body what the path says of it, and puts the rest into the query", () => {
    const request = { machine: { name: "machines/a", title: "A" }, updateMask: "title,runAs" };
    expect(layOut("PATCH", "/v1/{machine.name=machines/*}", "machine", request)).toEqual({
      verb: "PATCH",
      url: "/v1/machines/a?updateMask=title%2CrunAs",
      body: '{"name":"machines/a","title":"A"}',
    });
  });

  it("leaves out of the query what is not set", () => {
    const request = {
      parent: "",
      pageSize: 5,
      filter: undefined,
      labels: { a: 1 },
      ids: ["x", "y"],
    };
    expect(layOut("GET", "/v1/allocations", "", request).url).toBe(
      "/v1/allocations?pageSize=5&labels.a=1&ids=x&ids=y",
    );
  });
});

it("lines of a stream are whole, however the bytes arrive", async () => {
  const bytes = new TextEncoder().encode('{"a":"ä"}\n\n{"b":1}\n{"c":2}');
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const found = [];
  for await (const line of linesOf(stream)) found.push(line);
  expect(found).toEqual(['{"a":"ä"}', '{"b":1}', '{"c":2}']);
});

it("a request id is a UUID", () => {
  expect(requestId()).toMatch(
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
});
