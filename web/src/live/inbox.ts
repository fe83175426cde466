// The inbox as it is now: how many notices are unread, and those that come while the page is open.

import { type Signal, signal } from "@preact/signals";
import { ApiError } from "../api/faults";
import { type Notification, watchNotifications } from "../api/generated";
import { Backoff, pause } from "./backoff";

/** How long a hidden page keeps the stream: browsers allow few connections to one host. */
const HIDDEN_MS = 30_000;
/** How long the stream may be silent before it is taken for dead; it gives a sign of life every 15 s. */
const SILENT_MS = 40_000;

/** How many notices are not read; undefined before that is known. */
export const unread: Signal<number | undefined> = signal(undefined);

/** Calls back with each notice that comes, until the answer is called. */
export function onNotice(listener: (notice: Notification) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const listeners = new Set<(notice: Notification) => void>();
let readers = 0;
let stop: AbortController | undefined;
let hiding = 0;
let cursor = "";

/** Keeps the stream open until the answer is called. */
export function followInbox(): () => void {
  readers += 1;
  if (readers === 1) {
    document.addEventListener("visibilitychange", turn);
    open();
  }
  return () => {
    readers -= 1;
    if (readers > 0) return;
    document.removeEventListener("visibilitychange", turn);
    clearTimeout(hiding);
    close();
    cursor = "";
    unread.value = undefined;
  };
}

function turn(): void {
  clearTimeout(hiding);
  if (document.hidden) hiding = window.setTimeout(close, HIDDEN_MS);
  else open();
}

function open(): void {
  if (stop) return;
  stop = new AbortController();
  void run(stop.signal);
}

function close(): void {
  stop?.abort();
  stop = undefined;
}

async function run(signal: AbortSignal): Promise<void> {
  const backoff = new Backoff();
  while (!signal.aborted) {
    try {
      await read(signal, () => backoff.reset());
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status === 401) return;
      // A bell that cannot ring is no reason to disturb: it rings again as soon as it can.
    }
    await pause(backoff.next(), signal);
  }
}

async function read(signal: AbortSignal, well: () => void): Promise<void> {
  const silence = new AbortController();
  let timer = 0;
  const alive = () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => silence.abort(), SILENT_MS);
  };
  const either = AbortSignal.any([signal, silence.signal]);
  alive();
  try {
    for await (const said of watchNotifications({ cursor }, { signal: either })) {
      alive();
      well();
      cursor = said.cursor || cursor;
      unread.value = said.unreadCount;
      if (said.notification) for (const listener of listeners) listener(said.notification);
    }
  } finally {
    clearTimeout(timer);
  }
}
