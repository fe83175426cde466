// Filters of lists (AIP-160), made from what people type and choose.

/** A value as it stands in a filter: quoted. */
export const quoted = (text: string): string =>
  `"${text.replace(/\\/g, "\\\\").replace(/"/g, '\\"')}"`;

/** Conditions joined; those that are empty are left out. */
export const joined = (...conditions: readonly (string | false | undefined)[]): string =>
  conditions.filter(Boolean).join(" AND ");
