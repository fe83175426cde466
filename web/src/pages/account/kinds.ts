// Kinds of notices in words.

/** `Allocation ready` of `ALLOCATION_READY`: also of kinds that come with later versions. */
export function kindWords(kind: string): string {
  const words = kind.toLowerCase().replace(/_/g, " ");
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}
