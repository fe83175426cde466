// Uptime and availability, in words.

import type { Usage } from "../api/generated";
import { secondsOf, shareWords, shortSpan } from "./spans";

/** `99.97 %`, or what is said where it was never asked to run. */
export const availabilityWords = ({ availability }: Usage): string =>
  availability === undefined ? "–" : shareWords(availability);

/** Both halves of what makes the availability. */
export function upAndDown(usage: Usage): string {
  const [up, down] = [secondsOf(usage.uptime), secondsOf(usage.downtime)];
  return down > 0 ? `${shortSpan(up)} up, ${shortSpan(down)} down` : `${shortSpan(up)} up`;
}
