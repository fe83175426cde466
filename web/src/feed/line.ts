// Which line of a log a comment is about, as an address says it: `?line=a1b2c3d4:17`.

import type { LineReference } from "../api/generated";

/** The address of a machine's page where a comment on a line is begun. */
export function commentOn(machine: string, allocation: string, seq: number): string {
  const id = allocation.replace(/^allocations\//, "");
  return `/${machine}?line=${encodeURIComponent(`${id}:${seq}`)}`;
}

/** The line that an address names; undefined for none. */
export function lineOf(query: URLSearchParams): LineReference | undefined {
  const said = /^([a-z0-9]{4,32}):([1-9][0-9]{0,17})$/.exec(query.get("line") ?? "");
  if (!said) return undefined;
  return { allocation: `allocations/${said[1]}`, cursor: said[2] as string };
}
