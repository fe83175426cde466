// Amounts of bytes as people say them.

const UNITS = ["B", "KB", "MB", "GB", "TB"] as const;

/** `24 MB`, in powers of 1024, as limits are given. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

const WRITTEN = /^\s*([0-9]+(?:[.,][0-9]+)?)\s*([kmgt]?)i?b?\s*$/i;

/** The bytes that are meant by `512 MB` or `2g`; undefined where it cannot be told. */
export function bytesOf(text: string): number | undefined {
  const found = WRITTEN.exec(text);
  if (!found) return undefined;
  const power = "kmgt".indexOf((found[2] ?? "").toLowerCase()) + 1;
  const scale = found[2] ? 1024 ** power : 1;
  return Math.round(Number((found[1] as string).replace(",", ".")) * scale);
}

/** An amount of bytes as one writes it into a field: exact, in the largest unit that divides it. */
export function writtenBytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1024 && value % 1024 === 0 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value} ${UNITS[unit]}`;
}

/** `1.5 cores`. */
export function cores(millis: number): string {
  const count = millis / 1000;
  return `${Number(count.toFixed(2))} ${count === 1 ? "core" : "cores"}`;
}
