// One row of the log.

import { clockTime } from "../parts/when";
import { type Look, type Run, runsOf } from "./ansi";
import type { Row } from "./lines";

export function RowView({
  row,
  needle,
  found,
  picked,
}: {
  row: Row;
  /** What is looked for, in lower case; empty for nothing. */
  needle: string;
  /** Whether this is the row that the search is at. */
  found: boolean;
  /** Whether something is to be done with this row. */
  picked: boolean;
}) {
  if (row.kind !== "line") {
    return (
      <div class={`log-row ${row.kind}`} data-kind={row.kind}>
        <span>{row.text}</span>
      </div>
    );
  }
  const classes = [
    "log-row",
    row.stderr ? "err" : "",
    found ? "found" : "",
    picked ? "picked" : "",
  ].join(" ");
  return (
    <div class={classes} data-seq={row.seq}>
      <span class="log-time">{row.time ? clockTime(row.time) : ""}</span>
      <span class="log-text">
        {marked(runsOf(row.text), needle).map((piece, at) => (
          <Piece key={at} piece={piece} />
        ))}
        {row.truncated && <span class="log-cut"> … cut, as it was too long</span>}
      </span>
    </div>
  );
}

interface MarkedRun extends Run {
  hit: boolean;
}

/** Runs, divided where what is looked for begins and ends. */
export function marked(runs: Run[], needle: string): MarkedRun[] {
  if (!needle) return runs.map((run) => ({ ...run, hit: false }));
  const whole = runs
    .map((run) => run.text)
    .join("")
    .toLowerCase();
  const pieces: MarkedRun[] = [];
  let hit = whole.indexOf(needle);
  let at = 0;
  for (const run of runs) {
    let rest = run.text;
    while (rest) {
      const hitEnd = hit < 0 ? -1 : hit + needle.length;
      if (hit >= 0 && at >= hitEnd) {
        hit = whole.indexOf(needle, hitEnd);
        continue;
      }
      const inside = hit >= 0 && at >= hit;
      const until = inside ? hitEnd : hit < 0 ? Number.POSITIVE_INFINITY : hit;
      const text = rest.slice(0, until - at);
      pieces.push({ text, look: run.look, hit: inside });
      rest = rest.slice(text.length);
      at += text.length;
    }
  }
  return pieces;
}

function Piece({ piece: { text, look, hit } }: { piece: MarkedRun }) {
  const inside = classOf(look) || styleOf(look) ? <Styled text={text} look={look} /> : text;
  if (hit) return <mark>{inside}</mark>;
  return typeof inside === "string" ? <span>{inside}</span> : inside;
}

function Styled({ text, look }: { text: string; look: Look }) {
  const style = styleOf(look);
  return (
    <span class={classOf(look)} {...(style ? { style } : {})}>
      {text}
    </span>
  );
}

const isNamed = (colour: string) => colour.startsWith("a");

function classOf(look: Look): string {
  const classes = [];
  if (look.bold) classes.push("bold");
  if (look.faint) classes.push("dim");
  if (look.italic) classes.push("italic");
  if (look.underline) classes.push("underlined");
  if (look.struck) classes.push("struck");
  if (look.inverse) classes.push("inverse");
  if (isNamed(look.colour)) classes.push(`fg-${look.colour}`);
  if (isNamed(look.background)) classes.push(`bg-${look.background}`);
  return classes.join(" ");
}

function styleOf(look: Look): Record<string, string> | undefined {
  const style: Record<string, string> = {};
  if (look.colour && !isNamed(look.colour)) style.color = look.colour;
  if (look.background && !isNamed(look.background)) style.backgroundColor = look.background;
  return Object.keys(style).length > 0 ? style : undefined;
}
