// How long to wait before the next attempt.

const FIRST_MS = 500;
const MOST_MS = 15_000;

/** Doubles from attempt to attempt, and is spread, so that many clients do not come at once. */
export class Backoff {
  #attempts = 0;

  /** The wait before the next attempt, in milliseconds. */
  next(): number {
    const whole = Math.min(MOST_MS, FIRST_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    return whole * (0.5 + Math.random() / 2);
  }

  /** How many attempts have failed in a row. */
  get attempts(): number {
    return this.#attempts;
  }

  /** After a success: the next wait is a short one again. */
  reset(): void {
    this.#attempts = 0;
  }
}

/** Waits; ends early when the signal aborts. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    if (signal.aborted) done();
    else signal.addEventListener("abort", done);
  });
}
