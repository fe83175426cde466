// What pages say of places in the queue.

const ENDS = new Intl.PluralRules("en", { type: "ordinal" });
const ORDINALS: Partial<Record<Intl.LDMLPluralRule, string>> = { one: "st", two: "nd", few: "rd" };

/** `3rd`. */
export const ordinal = (count: number): string => `${count}${ORDINALS[ENDS.select(count)] ?? "th"}`;

/** `You are next`, `3rd of 7 in the queue`. */
export function placeWords(position: number, length: number): string {
  if (position <= 1) return length > 1 ? `Next of ${length} in the queue` : "Next in the queue";
  return `${ordinal(position)} of ${length} in the queue`;
}
