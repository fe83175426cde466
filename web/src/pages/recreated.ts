// What an allocation keeps, gets and gives back when it becomes one of another version of its machine.

import type { Allocation, Machine } from "../api/generated";

/** In sentences, for the one who is about to ask for it. */
export function whatBecomes(allocation: Allocation, machine: Machine): string[] {
  const had = allocation.endpoints.map((one) => portText(one.containerPort, one.protocol));
  const has = machine.ports.map((one) => portText(one.number, one.protocol));
  const more = has.filter((port) => !had.includes(port));
  const gone = had.filter((port) => !has.includes(port));
  const kept = allocation.volumes.map(({ path }) => path);
  const made = machine.volumes.map(({ path }) => path).filter((path) => !kept.includes(path));
  return [
    more.length + gone.length === 0
      ? "Its address and the values of its variables stay."
      : "The values of its variables stay, and the addresses of ports that it still has.",
    ...(more.length > 0 ? [`Ports that get an address: ${more.join(", ")}.`] : []),
    ...(gone.length > 0 ? [`Ports that have none any more: ${gone.join(", ")}.`] : []),
    kept.length > 0
      ? `What is in ${kept.join(", ")} stays; other files are lost.`
      : "It has no volumes: all files are lost.",
    ...(made.length > 0 ? [`New volumes: ${made.join(", ")}.`] : []),
  ];
}

function portText(number: number, protocol: string): string {
  return protocol === "UDP" ? `${number}/UDP` : String(number);
}
