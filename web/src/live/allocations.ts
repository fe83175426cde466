// Allocations as they are now: one stream for each set of them that some page shows.

import { type Signal, signal } from "@preact/signals";
import { ApiError, sentence } from "../api/faults";
import { type Allocation, watchAllocations } from "../api/generated";
import { Backoff, pause } from "./backoff";

/** How long a hidden page keeps its streams: browsers allow few connections to one host. */
const HIDDEN_MS = 30_000;
/** How long a stream may be silent before it is taken for dead; it gives a sign of life every 15 s. */
const SILENT_MS = 40_000;

/** The allocations of one parent, kept current while somebody looks. */
export class LiveAllocations {
  /** By name; undefined until the first answer is complete. */
  readonly all: Signal<ReadonlyMap<string, Allocation> | undefined> = signal(undefined);
  /** What is wrong with the stream at present, for people; empty while it is well. */
  readonly trouble: Signal<string> = signal("");

  #readers = 0;
  #stop: AbortController | undefined;
  #hiding = 0;

  constructor(private readonly parent: string) {}

  /** Keeps the stream open until the answer is called. */
  follow(): () => void {
    this.#readers += 1;
    if (this.#readers === 1) {
      document.addEventListener("visibilitychange", this.#turn);
      this.#open();
    }
    return () => {
      this.#readers -= 1;
      if (this.#readers > 0) return;
      document.removeEventListener("visibilitychange", this.#turn);
      clearTimeout(this.#hiding);
      this.#close();
      this.all.value = undefined;
    };
  }

  /** Takes over the answer of a call, ahead of the stream. */
  put(allocation: Allocation): void {
    const known = this.all.value?.get(allocation.name);
    if (this.all.value && !isOlder(allocation, known)) {
      this.all.value = new Map(this.all.value).set(allocation.name, allocation);
    }
  }

  #turn = () => {
    clearTimeout(this.#hiding);
    if (document.hidden) this.#hiding = window.setTimeout(() => this.#close(), HIDDEN_MS);
    else this.#open();
  };

  #open(): void {
    if (this.#stop) return;
    this.#stop = new AbortController();
    void this.#run(this.#stop.signal);
  }

  #close(): void {
    this.#stop?.abort();
    this.#stop = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff();
    while (!signal.aborted) {
      try {
        await this.#read(signal, () => backoff.reset());
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError && error.status === 401) return;
        // A stream that a restart ends is opened again before anybody need know.
        if (backoff.attempts > 0) this.trouble.value = sentence(error);
      }
      await pause(backoff.next(), signal);
    }
  }

  async #read(signal: AbortSignal, well: () => void): Promise<void> {
    const silence = new AbortController();
    let timer = 0;
    const alive = () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => silence.abort(), SILENT_MS);
    };
    const either = AbortSignal.any([signal, silence.signal]);
    const first = new Map<string, Allocation>();
    let complete = false;
    alive();
    try {
      for await (const { allocation, complete: done } of watchAllocations(
        { parent: this.parent },
        { signal: either },
      )) {
        alive();
        if (allocation && !complete) first.set(allocation.name, allocation);
        else if (allocation) this.put(allocation);
        if (done && !complete) {
          complete = true;
          this.all.value = first;
          this.trouble.value = "";
          well();
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Whether the first is an earlier form of the allocation than the second. */
export function isOlder(allocation: Allocation, known: Allocation | undefined): boolean {
  return Date.parse(allocation.updateTime ?? "") < Date.parse(known?.updateTime ?? "");
}

/** The person's own. */
export const mine = new LiveAllocations("users/me");
/** Everybody's, for admins. */
export const everybodys = new LiveAllocations("users/-");

/** Takes over the answer of a call wherever the allocation is shown. */
export function putEverywhere(allocation: Allocation, own: boolean): void {
  if (own) mine.put(allocation);
  everybodys.put(allocation);
}
