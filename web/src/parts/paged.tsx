// Lists that are fetched page by page.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Trouble } from "./page";

export interface Slice<Item> {
  items: Item[];
  nextPageToken: string;
}

export interface Paged<Item> {
  /** What has been fetched; undefined before the first page is there. */
  items: readonly Item[] | undefined;
  error: unknown;
  /** Whether something is being fetched. */
  busy: boolean;
  /** Whether there is a further page. */
  hasMore: boolean;
  more: () => void;
  again: () => void;
  /** Puts another list in place of what was fetched. */
  change: (change: (items: readonly Item[]) => readonly Item[]) => void;
}

interface State<Item> {
  items?: readonly Item[];
  next: string;
  error?: unknown;
  busy: boolean;
}

/**
 * Fetches the first page when it is shown, and anew when one of the keys changes. What is there stays
 * until the new list has come, so that nothing flickers.
 */
export function usePaged<Item>(
  load: (pageToken: string, signal: AbortSignal) => Promise<Slice<Item>>,
  keys: readonly unknown[],
): Paged<Item> {
  const [state, setState] = useState<State<Item>>({ next: "", busy: true });
  const [round, setRound] = useState(0);
  const stop = useRef<AbortController | undefined>(undefined);

  const fetchPage = (token: string) => {
    stop.current?.abort();
    const mine = new AbortController();
    stop.current = mine;
    setState((before) => ({ ...before, busy: true, error: undefined }));
    load(token, mine.signal)
      .then(({ items, nextPageToken }) => {
        if (mine.signal.aborted) return;
        setState((before) => ({
          items: token ? [...(before.items ?? []), ...items] : items,
          next: nextPageToken,
          busy: false,
        }));
      })
      .catch((error: unknown) => {
        if (!mine.signal.aborted) setState((before) => ({ ...before, error, busy: false }));
      });
  };

  useEffect(() => {
    fetchPage("");
    return () => stop.current?.abort();
  }, [...keys, round]);

  return {
    items: state.items,
    error: state.error,
    busy: state.busy,
    hasMore: state.next !== "",
    more: () => fetchPage(state.next),
    again: useCallback(() => setRound((before) => before + 1), []),
    change: useCallback(
      (change) =>
        setState((before) => (before.items ? { ...before, items: change(before.items) } : before)),
      [],
    ),
  };
}

/** What stands below a list: the way to its next page, or what was wrong. */
export function More<Item>({ list, label = "Show more" }: { list: Paged<Item>; label?: string }) {
  if (list.error !== undefined) {
    return <Trouble error={list.error} again={list.items ? list.more : list.again} />;
  }
  if (!list.hasMore || !list.items) return null;
  return (
    <div class="more">
      <button type="button" class="button" disabled={list.busy} onClick={list.more}>
        {list.busy ? "Loading…" : label}
      </button>
    </div>
  );
}
