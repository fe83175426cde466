// How much room a volume has, in the unit that it is typed in.

/** Units, each with the MiB that it has. */
export const MIB_IN = { MiB: 1, GiB: 1024, TiB: 1024 * 1024 } as const;

export type SizeUnit = keyof typeof MIB_IN;

const MOST_MIB = 10 * MIB_IN.TiB;

/** The largest unit that a size has a whole number of. */
export function unitFor(mib: number): SizeUnit {
  if (mib > 0 && mib % MIB_IN.TiB === 0) return "TiB";
  return mib > 0 && mib % MIB_IN.GiB === 0 ? "GiB" : "MiB";
}

/** What is shown in the box for a size in a unit; empty for none. */
export function amountIn(mib: number, unit: SizeUnit): string {
  if (mib === 0) return "";
  return String(Math.max(1, Math.round(mib / MIB_IN[unit])));
}

/** The size in MiB of what was typed; 0 for what is no number. */
export function mibOf(amount: string, unit: SizeUnit): number {
  const number = Math.trunc(Number(amount) || 0);
  return Math.min(MOST_MIB, Math.max(0, number * MIB_IN[unit]));
}
