// The console of one allocation, as a page holds it: lines, use, and how the connection is.

import { signal } from "@preact/signals";
import {
  type Allocation,
  type Line,
  listLines,
  type ServerFrame,
  type Stats,
} from "../api/generated";
import { gapRow, LineStore, type Row, type View } from "./lines";
import { ConsoleSocket, type Link } from "./socket";

/** How many lines to begin with. */
const FIRST_LINES = 500;
/** How many older lines to fetch at once. */
const OLDER_LINES = 2000;
/** How many samples of use are drawn. */
const SAMPLES = 90;

/** Whether there are lines before the first one held. */
export type Older = "some" | "loading" | "none" | "full";

export class Console {
  readonly lines = new LineStore();
  readonly link = signal<Link>({ is: "connecting" });
  readonly samples = signal<readonly Stats[]>([]);
  readonly older = signal<Older>("none");
  readonly notice = signal("");
  /** Changes, at most once a picture of the screen, when the lines have. */
  readonly version = signal(0);

  #socket: ConsoleSocket;
  #oldest = 0;
  #planned = 0;
  #closed = false;

  constructor(
    private readonly name: string,
    private readonly onState: (allocation: Allocation) => void,
  ) {
    this.#socket = new ConsoleSocket(name, {
      frame: (frame) => this.#take(frame),
      hello: (hello) => {
        this.#oldest = Number(hello.firstCursor ?? 0);
        this.#mind();
      },
      link: (link) => {
        this.link.value = link;
      },
      cursor: () => (this.lines.last > 0 ? this.lines.last + 1 : -FIRST_LINES),
    });
  }

  close(): void {
    this.#closed = true;
    cancelAnimationFrame(this.#planned);
    this.#socket.close();
  }

  /** Opens the connection now, where it waits to be opened. */
  again(): void {
    this.#socket.again();
  }

  /** Shows other rows of those that are held. */
  show(view: View): void {
    this.lines.show(view);
    this.version.value += 1;
  }

  /** Fetches lines before the first one held. */
  async loadOlder(): Promise<void> {
    const first = this.lines.first;
    if (this.older.value !== "some" || first <= 1) return;
    this.older.value = "loading";
    try {
      const cursor = Math.max(this.#oldest, first - OLDER_LINES, 1);
      const page = await listLines({
        name: this.name,
        cursor: String(cursor),
        pageSize: first - cursor,
      });
      if (this.#closed) return;
      this.#oldest = Math.max(this.#oldest, Number(page.firstCursor));
      const rows = [...page.lines.map(lineRow), ...page.gaps.map((gap) => gapRow(gap))];
      rows.sort((one, other) => one.seq - other.seq);
      this.lines.prepend(rows);
      if (this.lines.first === first) this.#oldest = first;
      this.older.value = "some";
      this.#mind();
      this.version.value += 1;
    } catch (error) {
      this.older.value = "some";
      throw error;
    }
  }

  #take(frame: ServerFrame): void {
    if (frame.log) this.lines.append(frame.log);
    else if (frame.gap) this.lines.gap(frame.gap);
    else if (frame.stats) this.samples.value = [...this.samples.value, frame.stats].slice(-SAMPLES);
    else if (frame.state?.allocation) this.onState(frame.state.allocation);
    else if (frame.notice) this.notice.value = frame.notice.message;
    if (frame.log || frame.gap) this.#plan();
  }

  #plan(): void {
    if (this.#planned) return;
    this.#planned = requestAnimationFrame(() => {
      this.#planned = 0;
      this.#mind();
      this.version.value += 1;
    });
  }

  #mind(): void {
    if (this.older.value === "loading") return;
    if (this.lines.full) this.older.value = "full";
    else this.older.value = this.lines.first > Math.max(1, this.#oldest) ? "some" : "none";
  }
}

function lineRow(line: Line): Row {
  const seq = Number(line.seq);
  return {
    kind: "line",
    seq,
    last: seq,
    time: line.time ? Date.parse(line.time) : 0,
    text: line.text,
    stderr: line.stream === "STDERR",
    truncated: line.truncated,
  };
}
