// What an access token may be allowed to do.

/** The nouns of scopes, and what they are for people. */
export const NOUNS: readonly (readonly [noun: string, words: string])[] = [
  ["allocations", "Allocations"],
  ["consoles", "Consoles and logs"],
  ["machines", "The catalogue"],
  ["feed", "Comments, reviews, votes"],
  ["timeline", "What happened to allocations"],
  ["notifications", "Inbox and webhooks"],
  ["users", "The account"],
];

/** Which scopes are ticked, by name: `allocations:read`. */
export type Scopes = Record<string, boolean>;

/** The scopes of a request, in the order in which they are shown. */
export function scopeList(scopes: Scopes, admin: boolean): string[] {
  const ticked = NOUNS.flatMap(([noun]) => [`${noun}:read`, `${noun}:write`]).filter(
    (scope) => scopes[scope],
  );
  return admin ? [...ticked, "admin"] : ticked;
}

const DAY_MS = 86_400_000;
/** The end is kept away from the last moment that the server takes, whatever the clocks say. */
const SLACK_MS = 600_000;

/** The end of a token that lasts so many days from now, as the server wants it. */
export function endAfter(days: number, now: number): string {
  return new Date(now + days * DAY_MS - SLACK_MS).toISOString();
}
