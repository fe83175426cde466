// What one can do with the log: look for a text, choose a stream, copy, download, follow.

import { useRef } from "preact/hooks";
import { copyText } from "../parts/copy";
import { Icon, type IconName } from "../parts/icons";
import { complain, say } from "../parts/toasts";
import { stripped } from "./ansi";
import { asText, type Row, type View } from "./lines";

/** What is looked for. */
export interface Wanted {
  text: string;
  stream: View["stream"];
  /** Whether lines without the text are hidden. */
  only: boolean;
}

/** The place of the next row with the text after `start`, or before it; goes round at the ends. */
export function findFrom(
  rows: readonly Row[],
  needle: string,
  start: number,
  step: 1 | -1,
): number {
  if (!needle) return -1;
  for (let tried = 1; tried <= rows.length; tried += 1) {
    const at = (((start + tried * step) % rows.length) + rows.length) % rows.length;
    if (
      stripped((rows[at] as Row).text)
        .toLowerCase()
        .includes(needle)
    )
      return at;
  }
  return -1;
}

export function LogTools({
  name,
  rows,
  held,
  wanted,
  onWanted,
  onFind,
  times,
  onTimes,
  following,
  onFollowing,
}: {
  name: string;
  rows: readonly Row[];
  held: number;
  wanted: Wanted;
  onWanted: (wanted: Wanted) => void;
  onFind: (direction: 1 | -1) => void;
  times: boolean;
  onTimes: (times: boolean) => void;
  following: boolean;
  onFollowing: (following: boolean) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  const copy = async () => {
    try {
      await copyText(asText(rows, times));
      say(`${rows.length.toLocaleString()} lines are on the clipboard.`);
    } catch (error) {
      complain(error);
    }
  };
  const narrowed = wanted.only && wanted.text !== "";
  return (
    <div class="log-tools" role="toolbar" aria-label="Log">
      <label class="search">
        <Icon name="search" />
        <input
          ref={input}
          type="search"
          placeholder={wanted.only ? "Filter lines" : "Find in lines"}
          aria-label={wanted.only ? "Filter lines" : "Find in lines"}
          value={wanted.text}
          onInput={(event) => onWanted({ ...wanted, text: event.currentTarget.value })}
          onKeyDown={(event) => {
            if (event.key === "Enter") onFind(event.shiftKey ? -1 : 1);
            if (event.key === "Escape") onWanted({ ...wanted, text: "" });
          }}
        />
        {narrowed && (
          <span class="search-count">
            {rows.length.toLocaleString()} of {held.toLocaleString()}
          </span>
        )}
      </label>
      <Toggle
        icon="filter"
        label="Show only lines with the text"
        on={wanted.only}
        onChange={(only) => onWanted({ ...wanted, only })}
      />
      {!wanted.only && (
        <>
          <Tool icon="up" label="Find the one before" onClick={() => onFind(-1)} />
          <Tool icon="down" label="Find the next one" onClick={() => onFind(1)} />
        </>
      )}
      <select
        aria-label="Stream"
        value={wanted.stream}
        onChange={(event) =>
          onWanted({ ...wanted, stream: event.currentTarget.value as View["stream"] })
        }
      >
        <option value="">Both streams</option>
        <option value="out">Output</option>
        <option value="err">Errors</option>
      </select>
      <span class="log-tools-space" />
      <Toggle icon="clock" label="Show times" on={times} onChange={onTimes} />
      <Tool icon="copy" label="Copy the lines" onClick={() => void copy()} />
      <Tool icon="download" label="Download the lines" onClick={() => download(name, rows)} />
      <button
        type="button"
        class={following ? "log-follow on" : "log-follow"}
        aria-pressed={following}
        onClick={() => onFollowing(!following)}
      >
        <Icon name={following ? "pause" : "play"} />
        {following ? "Pause" : "Follow"}
      </button>
    </div>
  );
}

function Tool({ icon, label, onClick }: { icon: IconName; label: string; onClick: () => void }) {
  return (
    <button type="button" class="log-tool" title={label} aria-label={label} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

function Toggle({
  icon,
  label,
  on,
  onChange,
}: {
  icon: IconName;
  label: string;
  on: boolean;
  onChange: (on: boolean) => void;
}) {
  return (
    <button
      type="button"
      class={on ? "log-tool on" : "log-tool"}
      title={label}
      aria-label={label}
      aria-pressed={on}
      onClick={() => onChange(!on)}
    >
      <Icon name={icon} />
    </button>
  );
}

function download(name: string, rows: readonly Row[]): void {
  const address = URL.createObjectURL(new Blob([asText(rows, true)], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `${name}.log`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
