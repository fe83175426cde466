// Which allocations of a list are shown: by what they are, and by what they are called.

import type { Allocation } from "../api/generated";

export const KINDS = [
  ["", "All"],
  ["running", "Running"],
  ["waiting", "Waiting"],
  ["stopped", "Stopped"],
  ["wrong", "Trouble"],
  ["planned", "Planned"],
] as const;

export type Kind = (typeof KINDS)[number][0];

const STATES: Record<string, readonly string[]> = {
  running: ["READY", "UNHEALTHY", "PROVISIONING", "STARTING"],
  waiting: ["PENDING"],
  stopped: ["STOPPED", "STOPPING"],
  wrong: ["FAILED", "UNHEALTHY", "UNKNOWN"],
};

/** Whether an allocation is of a kind. */
export function isOf(kind: Kind, { state, planned }: Allocation): boolean {
  if (kind === "") return true;
  if (kind === "planned") return planned?.time !== undefined;
  return STATES[kind]?.includes(state) ?? false;
}

/** Whether each word is in its name, its machine, its labels or its address. */
export function isCalled(wanted: string, allocation: Allocation): boolean {
  const { name, displayName, machine, machineTitle, labels, host, port } = allocation;
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const said = [name, displayName, machine, machineTitle, `${host}:${port}`, ...pairs]
    .join(" ")
    .toLowerCase();
  const words = wanted.toLowerCase().split(/\s+/);
  return words.every((word) => said.includes(word));
}
