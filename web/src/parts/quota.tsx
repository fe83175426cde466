// What a person may have at once, and what they have.

import type { Quota, QuotaAmounts } from "../api/generated";
import { bytes, bytesOf, cores, writtenBytes } from "./bytes";
import { Share } from "./volumes";

type Amount = "instances" | "cpuMillis" | "memoryBytes" | "diskBytes";

/** How one amount is told, and how it stands in a field. */
interface Measure {
  name: Amount;
  label: string;
  text: (amount: number) => string;
  write: (amount: number) => string;
  /** Undefined where it cannot be told. */
  read: (text: string) => number | undefined;
  unit: string;
}

const whole = (text: string, scale = 1): number | undefined => {
  const number = Number(text.replace(",", "."));
  return text.trim() !== "" && Number.isFinite(number) && number >= 0
    ? Math.round(number * scale)
    : undefined;
};

export const MEASURES: readonly Measure[] = [
  {
    name: "instances",
    label: "Allocations",
    text: String,
    write: String,
    read: (text) => whole(text),
    unit: "how many",
  },
  {
    name: "cpuMillis",
    label: "Processor",
    text: cores,
    write: (millis) => String(millis / 1000),
    read: (text) => whole(text, 1000),
    unit: "cores",
  },
  {
    name: "memoryBytes",
    label: "Memory",
    text: bytes,
    write: writtenBytes,
    read: bytesOf,
    unit: "8 GB",
  },
  {
    name: "diskBytes",
    label: "Disk",
    text: bytes,
    write: writtenBytes,
    read: bytesOf,
    unit: "50 GB",
  },
];

/** An amount as a number; undefined where none is said. */
export function amountOf(amounts: QuotaAmounts | undefined, name: Amount): number | undefined {
  const said = amounts?.[name];
  return said === undefined ? undefined : Number(said);
}

/** What of a quota is used, each amount as a bar. */
export function QuotaBars({ quota }: { quota: Pick<Quota, "limits" | "used"> }) {
  return (
    <div class="amounts">
      {MEASURES.map(({ name, label, text }) => (
        <div key={name} class="amount" data-amount={name}>
          <h3>{label}</h3>
          <Share
            used={amountOf(quota.used, name) ?? 0}
            limit={amountOf(quota.limits, name) ?? -1}
            text={text}
            label={`${label} in use`}
          />
        </div>
      ))}
    </div>
  );
}
