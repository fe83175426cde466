// The log, live: only the rows in sight are elements, however many lines there are.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../parts/icons";
import { complain } from "../parts/toasts";
import type { Console } from "./console";
import { LineMenu } from "./linemenu";
import { LinkState } from "./link";
import { RowView } from "./rows";
import { findFrom, LogTools, type Wanted } from "./tools";

/** The height of a row in pixels; the same in styles/log.css. */
const ROW = 20;
/** How many rows are made beyond either edge. */
const MARGIN = 12;
/** The first row says what is before the lines. */
const HEAD = 1;
/** Older lines are fetched when the top is as near as this. */
const NEAR = ROW * 20;

export function LogView({
  console,
  name,
  commentOn,
}: {
  console: Console;
  name: string;
  /** Where a comment on the line of that number is written. */
  commentOn?: (seq: number) => string;
}) {
  const box = useRef<HTMLDivElement>(null);
  const top = useRef(0);
  const [, redraw] = useState(0);
  const [height, setHeight] = useState(600);
  const [following, setFollowing] = useState(true);
  const [wanted, setWanted] = useState<Wanted>({ text: "", stream: "", only: true });
  const [times, setTimes] = useState(true);
  const [found, setFound] = useState(0);
  const [picked, setPicked] = useState(0);
  // What was so in the last picture: rows that have come or gone above since then are made up for,
  // so that those in sight stay where they are.
  const seen = useRef({ dropped: 0, prepended: 0, end: 0 });

  console.version.value; // read, so that new lines draw the page again
  const { lines } = console;
  const rows = lines.shown;
  const end = lines.dropped + rows.length - lines.prepended;
  if (following) seen.current.end = end;
  const fresh = Math.max(0, end - seen.current.end);

  const total = rows.length + HEAD;
  const fits = Math.ceil(height / ROW);
  const above = lines.prepended - seen.current.prepended - (lines.dropped - seen.current.dropped);
  const firstInSight = following ? total - fits : Math.floor(top.current / ROW) + above;
  const from = Math.max(0, firstInSight - MARGIN - HEAD);
  const to = Math.min(rows.length, from + fits + 2 * MARGIN + HEAD);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    seen.current.dropped = lines.dropped;
    seen.current.prepended = lines.prepended;
    if (following) element.scrollTop = element.scrollHeight;
    else if (above !== 0) element.scrollTop += above * ROW;
    top.current = element.scrollTop;
  });

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const watch = new ResizeObserver(() => setHeight(element.clientHeight));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  const look = (next: Wanted) => {
    const { text, stream, only } = next;
    setWanted(next);
    setFound(0);
    console.show({ contains: only ? text : "", stream });
    seen.current = { dropped: 0, prepended: 0, end: lines.shown.length };
  };

  const loadOlder = () => console.loadOlder().catch(complain);

  const scrolled = () => {
    const element = box.current;
    if (!element) return;
    const left = element.scrollHeight - element.clientHeight - element.scrollTop;
    const up = element.scrollTop < top.current - 1;
    top.current = element.scrollTop;
    redraw((before) => before + 1);
    if (left < ROW) setFollowing(true);
    else if (up || !following) setFollowing(false);
    if (!following && element.scrollTop < NEAR) void loadOlder();
  };

  const newest = () => {
    setFollowing(true);
    box.current?.focus({ preventScroll: true });
  };

  /** Goes to the next row, or the one before, in which the text is. */
  const find = (direction: 1 | -1) => {
    const start = found ? rows.findIndex((row) => row.seq === found) : from + MARGIN;
    const at = findFrom(rows, wanted.text.toLowerCase(), start, direction);
    const row = rows[at];
    if (!row || !box.current) return;
    setFollowing(false);
    setFound(row.seq);
    box.current.scrollTop = Math.max(0, (at + HEAD) * ROW - height / 2);
    top.current = box.current.scrollTop;
  };

  const keys = (event: KeyboardEvent) => {
    if (event.key === "End" && !event.ctrlKey) newest();
    else if (event.key === "Escape" && picked) setPicked(0);
    else if (event.key === "Enter" && found) setPicked(found);
    else if (event.key === "Home" && box.current) {
      setFollowing(false);
      box.current.scrollTop = 0;
    } else return;
    event.preventDefault();
  };

  /** Chooses the line that was clicked, unless its text was being marked. */
  const pick = (event: MouseEvent) => {
    if (!window.getSelection()?.isCollapsed) return;
    const line = (event.target as Element).closest<HTMLElement>(".log-row[data-seq]");
    const seq = Number(line?.dataset.seq ?? 0);
    setPicked(seq === picked ? 0 : seq);
  };

  const needle = wanted.text.toLowerCase();
  const line = picked ? rows.find((row) => row.kind === "line" && row.seq === picked) : undefined;
  return (
    <section class={times ? "log" : "log no-times"} aria-label="Log">
      <LogTools
        name={name}
        rows={rows}
        held={lines.size}
        wanted={wanted}
        onWanted={look}
        onFind={find}
        times={times}
        onTimes={setTimes}
        following={following}
        onFollowing={(follow) => (follow ? newest() : setFollowing(false))}
      />
      <div class="log-frame">
        <div
          ref={box}
          class="log-scroll"
          role="log"
          aria-live="off"
          aria-label="Log lines"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must do so by keyboard
          tabIndex={0}
          onScroll={scrolled}
          onWheel={(event) => event.deltaY < 0 && rows.length > fits && setFollowing(false)}
          onKeyDown={keys}
          onClick={pick}
        >
          <div class="log-space" style={{ height: `${total * ROW}px` }}>
            <Head console={console} empty={rows.length === 0} onMore={() => void loadOlder()} />
            <div class="log-rows" style={{ transform: `translateY(${from * ROW}px)` }}>
              {rows.slice(from, to).map((row) => (
                <RowView
                  key={`${row.kind}${row.seq}`}
                  row={row}
                  needle={needle}
                  found={found === row.seq}
                  picked={picked === row.seq}
                />
              ))}
            </div>
          </div>
        </div>
        {!following && (
          <button type="button" class="log-newest" onClick={newest}>
            <Icon name="down" />
            {fresh > 0
              ? `${fresh.toLocaleString()} new ${fresh === 1 ? "line" : "lines"}`
              : "To the newest"}
          </button>
        )}
      </div>
      {line && (
        <LineMenu row={line} comment={commentOn?.(picked) ?? ""} onClose={() => setPicked(0)} />
      )}
      <LinkState console={console} shown={rows.length} filtered={rows.length < lines.size} />
    </section>
  );
}

function Head({
  console,
  empty,
  onMore,
}: {
  console: Console;
  empty: boolean;
  onMore: () => void;
}) {
  const older = console.older.value;
  return (
    <div class="log-row head">
      {(older === "some" || older === "loading") && (
        // One element all the time: it does not vanish under the pointer, or with the focus.
        <button type="button" aria-disabled={older === "loading"} onClick={onMore}>
          {older === "loading" ? "Loading older lines…" : "Load older lines"}
        </button>
      )}
      {older === "full" && <span>This page holds no more lines than these.</span>}
      {older === "none" && !empty && <span>The log begins here.</span>}
      {older === "none" && empty && <span>Nothing to show yet.</span>}
    </div>
  );
}
