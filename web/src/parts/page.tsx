// What every page is made of: its title, and how it waits, fails and is empty.

import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { sentence } from "../api/faults";
import { Icon, type IconName } from "./icons";

/** A page: its title is the document's, and gets the focus, so that screen readers say it. */
export function Page({
  title,
  heading,
  actions,
  narrow,
  wide,
  children,
}: {
  title: string;
  heading?: ComponentChildren;
  actions?: ComponentChildren;
  narrow?: boolean;
  wide?: boolean;
  children: ComponentChildren;
}) {
  const shown = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · the allocator`;
  }, [title]);
  useEffect(() => {
    if (!document.activeElement || document.activeElement === document.body) {
      shown.current?.focus({ preventScroll: true });
    }
  }, []);
  return (
    <main id="main" class={narrow ? "page narrow" : wide ? "page wide" : "page"}>
      <header class="page-head">
        <h1 ref={shown} tabIndex={-1}>
          {heading ?? title}
        </h1>
        {actions && <div class="row">{actions}</div>}
      </header>
      {children}
    </main>
  );
}

/** Shown while something is fetched: nothing at first, so that quick answers do not flicker. */
export function Waiting({ label = "Loading" }: { label?: string }) {
  return (
    <div class="waiting" role="status">
      <span class="slot-busy" aria-hidden="true" />
      <span>{label}…</span>
    </div>
  );
}

export function Trouble({ error, again }: { error: unknown; again?: () => void }) {
  return (
    <div class="trouble" role="alert">
      <Icon name="alert" />
      <span>{sentence(error)}</span>
      {again && (
        <button type="button" class="button small" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Empty({
  icon,
  title,
  children,
}: {
  icon: IconName;
  title: string;
  children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <span class="empty-sign">
        <Icon name={icon} />
      </span>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export interface Loaded<T> {
  value: T | undefined;
  error: unknown;
  again: () => void;
  set: (value: T) => void;
}

/** Fetches something when the page is shown, and again when one of the keys changes. */
export function useLoaded<T>(
  load: (signal: AbortSignal) => Promise<T>,
  keys: readonly unknown[],
): Loaded<T> {
  const [state, setState] = useState<{ value?: T; error?: unknown }>({});
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    load(stop.signal)
      .then((value) => !stop.signal.aborted && setState({ value }))
      .catch((error: unknown) => !stop.signal.aborted && setState({ error }));
    return () => stop.abort();
  }, [...keys, round]);
  return {
    value: state.value,
    error: state.error,
    again: useCallback(() => {
      setState({});
      setRound((before) => before + 1);
    }, []),
    set: useCallback((value: T) => setState({ value }), []),
  };
}

/** Every page of a list. */
export async function everyPage<Item>(
  load: (token: string) => Promise<{ items: Item[]; nextPageToken: string }>,
): Promise<Item[]> {
  const found: Item[] = [];
  let token = "";
  do {
    const { items, nextPageToken } = await load(token);
    found.push(...items);
    token = nextPageToken;
  } while (token);
  return found;
}
