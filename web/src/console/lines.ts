// The log lines that a page holds: a bounded, ordered list, and what of it a filter shows.

import type { Gap, GapCause, LogLines } from "../api/generated";
import { stripped } from "./ansi";

/** A row of the log. */
export interface Row {
  kind: "line" | "gap" | "start";
  /** The number of the line, or of the first that the row is about. Unique among lines. */
  seq: number;
  /** The last number that the row is about: greater than `seq` for gaps only. */
  last: number;
  /** Milliseconds since 1970; 0 where it is not known. */
  time: number;
  text: string;
  stderr: boolean;
  truncated: boolean;
}

/** What is shown. */
export interface View {
  /** Only lines with this text, whatever its case; empty for all. */
  contains: string;
  stream: "" | "out" | "err";
}

export const EVERYTHING: View = { contains: "", stream: "" };

// Read after "1 line is missing: " as well as after "3 lines are missing: ".
const CAUSES: Record<GapCause, string> = {
  CAUSE_UNSPECIFIED: "not to be had",
  ROTATED: "thrown away by the engine before being read",
  THROTTLED: "the program wrote more than it may",
  RETENTION: "older than what is kept",
  SLOW_READER: "this page read too slowly",
  JOURNAL_FAULT: "storing failed",
  NODE_LOST: "the node was lost before reading",
};

/** Bounded: the oldest rows go when there are too many. */
export class LineStore {
  /** The rows that the view shows, oldest first. */
  shown: Row[] = [];
  /** How many rows have gone from the front of `shown` since it was made. */
  dropped = 0;
  /** How many rows have come before the first of `shown` since it was made. */
  prepended = 0;

  #rows: Row[] = [];
  #view: View = EVERYTHING;
  #needle = "";
  #start = "";

  constructor(private readonly capacity = 150_000) {}

  /** How many rows are held, shown or not. */
  get size(): number {
    return this.#rows.length;
  }

  get full(): boolean {
    return this.#rows.length >= this.capacity;
  }

  /** The first number held; 0 where nothing is. */
  get first(): number {
    return this.#rows[0]?.seq ?? 0;
  }

  /** The last number held; 0 where nothing is. */
  get last(): number {
    return this.#rows.at(-1)?.last ?? 0;
  }

  /** Adds a batch at the end. Lines that are held already are left out. */
  append(batch: LogLines): void {
    const base = Number(batch.firstSeq);
    const cut = batch.truncated?.length ? new Set(batch.truncated) : undefined;
    const start = `${batch.generation}.${batch.incarnation}`;
    for (let at = 0; at < batch.texts.length; at += 1) {
      const seq = batch.seqs?.length ? Number(batch.seqs[at]) : base + at;
      if (seq <= this.last) continue;
      const time = batch.times[at] ?? 0;
      if (this.#start && this.#start !== start) this.#push(startRow(seq, time, batch));
      this.#start = start;
      const stderr = batch.streams[at] === "e";
      const truncated = cut?.has(at) ?? false;
      this.#push({
        kind: "line",
        seq,
        last: seq,
        time,
        text: batch.texts[at] ?? "",
        stderr,
        truncated,
      });
    }
    this.#trim();
  }

  /** Adds a gap at the end. */
  gap(gap: Gap): void {
    if (Number(gap.lastSeq) <= this.last) return;
    this.#push(gapRow(gap, Math.max(Number(gap.firstSeq), this.last + 1)));
    this.#trim();
  }

  /** Puts older rows before the first. */
  prepend(rows: Row[]): void {
    const first = this.first || Number.POSITIVE_INFINITY;
    const older = rows.filter((row) => row.last < first).slice(-(this.capacity - this.size));
    this.#rows = older.concat(this.#rows);
    const visible = older.filter((row) => this.#shows(row));
    this.shown = visible.concat(this.shown);
    this.prepended += visible.length;
  }

  /** Shows other rows of those that are held. */
  show(view: View): void {
    this.#view = view;
    this.#needle = view.contains.toLowerCase();
    this.dropped = 0;
    this.prepended = 0;
    this.shown = this.#rows.filter((row) => this.#shows(row));
  }

  clear(): void {
    this.#rows = [];
    this.shown = [];
    this.dropped = 0;
    this.prepended = 0;
    this.#start = "";
  }

  #push(row: Row): void {
    this.#rows.push(row);
    if (this.#shows(row)) this.shown.push(row);
  }

  #shows(row: Row): boolean {
    if (row.kind !== "line") return true;
    if (this.#view.stream && (this.#view.stream === "err") !== row.stderr) return false;
    return !this.#needle || stripped(row.text).toLowerCase().includes(this.#needle);
  }

  #trim(): void {
    // A tenth more than the capacity may be held, so that a whole array is not moved for each batch.
    if (this.#rows.length <= this.capacity * 1.1) return;
    this.#rows = this.#rows.slice(-this.capacity);
    const first = this.first;
    const before = this.shown.length;
    this.shown = this.shown.slice(indexAt(this.shown, first));
    this.dropped += before - this.shown.length;
  }
}

/** The place of the first row whose number is not below `seq`. */
export function indexAt(rows: readonly Row[], seq: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle] as Row).seq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

function startRow(seq: number, time: number, batch: LogLines): Row {
  const text = `started again: instance ${batch.generation}, start ${batch.incarnation}`;
  // It stands before the line that it announces, and so ends before it.
  return { kind: "start", seq, last: seq - 1, time, text, stderr: false, truncated: false };
}

/** The row of a gap, from a number on that may be later than the gap's own first. */
export function gapRow(gap: Gap, seq = Number(gap.firstSeq)): Row {
  const last = Number(gap.lastSeq);
  const count = (last - seq + 1).toLocaleString();
  const lines = last === seq ? "1 line is" : `${count} lines are`;
  const text = `${lines} missing: ${CAUSES[gap.cause] ?? CAUSES.CAUSE_UNSPECIFIED}`;
  return { kind: "gap", seq, last, time: 0, text, stderr: false, truncated: false };
}

/** Rows as plain text: a time, then the line. */
export function asText(rows: readonly Row[], withTimes: boolean): string {
  const line = (row: Row) => {
    const text = row.kind === "line" ? stripped(row.text) : `--- ${row.text} ---`;
    return withTimes && row.time ? `${new Date(row.time).toISOString()} ${text}` : text;
  };
  return rows.map((row) => `${line(row)}\n`).join("");
}
