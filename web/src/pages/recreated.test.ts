import { expect, test } from "vitest";
import type { Allocation, Machine } from "../api/generated";
import { whatBecomes } from "./recreated";

const allocation = {
  endpoints: [
    { containerPort: 80, protocol: "TCP" },
    { containerPort: 53, protocol: "UDP" },
  ],
  volumes: [{ path: "/data" }],
} as unknown as Allocation;
const machine = (ports: object[], ...paths: string[]) =>
  ({ ports, volumes: paths.map((path) => ({ path })) }) as unknown as Machine;

test("where nothing else changes, address and files stay", () => {
  const same = machine(
    [
      { number: 53, protocol: "UDP" },
      { number: 80, protocol: "TCP" },
    ],
    "/data",
  );
  expect(whatBecomes(allocation, same)).toEqual([
    "Its address and the values of its variables stay.",
    "What is in /data stays; other files are lost.",
  ]);
});

test("ports and volumes that come and go are told", () => {
  const other = machine(
    [
      { number: 80, protocol: "TCP" },
      { number: 53, protocol: "TCP" },
    ],
    "/more",
  );
  expect(whatBecomes(allocation, other)).toEqual([
    "The values of its variables stay, and the addresses of ports that it still has.",
    "Ports that get an address: 53.",
    "Ports that have none any more: 53/UDP.",
    "What is in /data stays; other files are lost.",
    "New volumes: /more.",
  ]);
});

test("without volumes all files are lost", () => {
  const none = { ...allocation, volumes: [] } as Allocation;
  expect(whatBecomes(none, machine([]))).toContain("It has no volumes: all files are lost.");
});
