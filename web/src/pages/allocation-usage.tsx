// How an allocation has fared: a line of time, its uptime, its availability.

import { useEffect, useState } from "preact/hooks";
import {
  type Allocation,
  type AllocationUsage,
  downloadUsageReport,
  getAllocationUsage,
} from "../api/generated";
import { availabilityWords, upAndDown } from "../parts/availability";
import { idOf } from "../parts/machines";
import { Trouble, Waiting } from "../parts/page";
import { secondsOf, shortSpan } from "../parts/spans";
import { fetchFile } from "../parts/transfers";
import { barsOf, KINDS, kindWord, startOf, WINDOWS, type Window } from "./usage";

/** How often it is asked for again while the page is in sight. */
const ROUND_MS = 30_000;

interface Seen {
  usage?: AllocationUsage;
  error?: unknown;
}

/** Asked for when something changes and every now and then; what was there stays until then. */
function useUsage(name: string, window: Window, etag: string): Seen & { again: () => void } {
  const [seen, setSeen] = useState<Seen>({});
  const [round, setRound] = useState(0);
  const again = () => setRound((before) => before + 1);
  useEffect(() => {
    const stop = new AbortController();
    const request = { name: `${name}/usage`, pageSize: 1000, startTime: startOf(window) };
    getAllocationUsage(request, { signal: stop.signal })
      .then((usage) => setSeen({ usage }))
      .catch((error: unknown) => {
        if (!stop.signal.aborted) setSeen((before) => ({ ...before, error }));
      });
    const timer = setInterval(() => !document.hidden && again(), ROUND_MS);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [name, window, etag, round]);
  return { ...seen, again };
}

export function UsagePanel({ allocation }: { allocation: Allocation }) {
  const { name, etag } = allocation;
  const [window, setWindow] = useState<Window>("all");
  const { usage, error, again } = useUsage(name, window, etag);
  const report = (format: "CSV" | "JSON") =>
    fetchFile(
      `Usage of ${idOf(name)}`,
      `${idOf(name)}-usage.${format.toLowerCase()}`,
      0,
      (options) =>
        downloadUsageReport({ allocation: name, parent: allocation.owner, format }, options),
    );
  return (
    <section class="panel usage" aria-labelledby="usage">
      <div class="row between usage-head">
        <h2 id="usage">How it fared</h2>
        <select
          aria-label="Of which time"
          value={window}
          onChange={(event) => setWindow(event.currentTarget.value as Window)}
        >
          {WINDOWS.map(([value, label]) => (
            <option key={value} value={value}>
              {value === "all" ? "Since it was rented" : `Last ${label.toLowerCase()}`}
            </option>
          ))}
        </select>
      </div>
      {error !== undefined && <Trouble error={error} again={again} />}
      {!usage && error === undefined && <Waiting />}
      {usage && <Drawn usage={usage} />}
      <div class="row small usage-report">
        <span class="muted">Report:</span>
        <button type="button" class="link" onClick={() => void report("CSV")}>
          CSV
        </button>
        <button type="button" class="link" onClick={() => void report("JSON")}>
          JSON
        </button>
      </div>
    </section>
  );
}

function Drawn({ usage }: { usage: AllocationUsage }) {
  const total = usage.total;
  if (!total?.startTime || !total.endTime) {
    return <p class="muted small">Nothing is known of that time.</p>;
  }
  const bars = barsOf(usage.intervals, Date.parse(total.startTime), Date.parse(total.endTime));
  const life = secondsOf(total.life) || 1;
  const spent = new Map(total.kinds.map(({ kind, duration }) => [kind, secondsOf(duration)]));
  return (
    <>
      <div class="row between">
        <span class="usage-share" data-availability>
          {availabilityWords(total)}
        </span>
        <span class="small muted">{upAndDown(total)}</span>
      </div>
      <svg
        class="usage-line"
        viewBox="0 0 1000 20"
        preserveAspectRatio="none"
        aria-hidden="true"
        focusable="false"
      >
        {bars.map(({ kind, x, width, title }) => (
          <rect key={`${x}`} class={`kind-${kind}`} x={x} width={width} height="20">
            <title>{title}</title>
          </rect>
        ))}
      </svg>
      {usage.nextPageToken && <p class="note">Only the latest thousand changes are drawn.</p>}
      <table class="usage-kinds small">
        <caption class="out-of-sight">How long it was of each kind</caption>
        <tbody>
          {KINDS.filter(([kind]) => (spent.get(kind) ?? 0) > 0).map(([kind]) => (
            <tr key={kind}>
              <th scope="row">
                <span class={`key kind-${kind}`} aria-hidden="true" />
                {kindWord(kind)}
              </th>
              <td>{shortSpan(spent.get(kind) ?? 0)}</td>
              <td class="faint">{Math.round((100 * (spent.get(kind) ?? 0)) / life)} %</td>
            </tr>
          ))}
        </tbody>
      </table>
      {total.failureCount > 0 && (
        <p class="note">
          It has failed {total.failureCount === 1 ? "once" : `${total.failureCount} times`}.
        </p>
      )}
    </>
  );
}
