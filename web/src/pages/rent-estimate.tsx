// What would come of renting a machine, told before one does.

import { useEffect, useState } from "preact/hooks";
import { type EstimateAllocationResponse as Estimate, estimateAllocation } from "../api/generated";
import { Icon } from "../parts/icons";
import { price } from "../parts/machines";
import { amountOf, MEASURES } from "../parts/quota";
import { Soon } from "../parts/when";
import { placeWords } from "./queue";

/** How often it is asked for again: while it is full, and otherwise. */
const FULL_MS = 5000;
const ROOM_MS = 30_000;

/** What would come of renting a machine, as it is now; undefined before it is known. */
export function useEstimate(machine: string): {
  estimate: Estimate | undefined;
  again: () => void;
} {
  const [estimate, setEstimate] = useState<Estimate | undefined>(undefined);
  const [round, setRound] = useState(0);
  const again = () => setRound((before) => before + 1);
  const wait = estimate && !estimate.canRunNow ? FULL_MS : ROOM_MS;
  useEffect(() => {
    const stop = new AbortController();
    // What cannot be told stops nobody from renting: the rent itself says what is wrong.
    estimateAllocation({ machine }, { signal: stop.signal })
      .then(setEstimate)
      .catch(() => undefined);
    return () => stop.abort();
  }, [machine, round]);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && again(), wait);
    return () => clearInterval(timer);
  }, [wait]);
  return { estimate, again };
}

/** Whether one may wait for room: not where one's own quota is used up, which others do not free. */
export const mayWait = (estimate: Estimate | undefined): boolean => estimate?.queue !== undefined;

export function EstimateBox({ estimate }: { estimate: Estimate }) {
  const { canRunNow, canEverRun, obstacles, queue } = estimate;
  const look = canRunNow ? "" : canEverRun ? "full" : "never";
  const notNow = queue ? "No room for it now" : "Not now";
  const word = canRunNow ? "It can run now" : canEverRun ? notNow : "It cannot run";
  return (
    <section class={`estimate ${look}`} aria-label="Estimate" data-estimate={look || "now"}>
      <div class="estimate-word" role="status">
        <Icon name={canRunNow ? "check" : canEverRun ? "clock" : "alert"} />
        {word}
        <span class="muted estimate-price">{price(estimate.pricePerHour)}</span>
      </div>
      {obstacles.length > 0 && (
        <ul class="obstacles small">
          {obstacles.map(({ reason, message }) => (
            <li key={reason + message} data-reason={reason}>
              {message}
            </li>
          ))}
        </ul>
      )}
      {queue && (
        <p class="small">
          You would be {placeWords(queue.position, queue.length).toLowerCase()}
          {queue.expectedTime ? (
            <>
              ; your turn is likely to come <Soon time={queue.expectedTime} />
            </>
          ) : (
            ""
          )}
          .
        </p>
      )}
      <dl class="facts small">
        <dt>Takes</dt>
        <dd>{amountsText(estimate.needs)}</dd>
        <dt>Left</dt>
        <dd>{leftText(estimate)}</dd>
      </dl>
    </section>
  );
}

function amountsText(needs: Estimate["needs"]): string {
  const parts = MEASURES.filter(({ name }) => name !== "instances")
    .map(({ name, text }) => [amountOf(needs, name) ?? 0, text, name] as const)
    .filter(([amount]) => amount > 0)
    .map(([amount, text, name]) => `${text(amount)}${name === "diskBytes" ? " disk" : ""}`);
  return parts.join(" · ") || "nothing that is counted";
}

/** What is left of the quota before it. */
function leftText({ left }: Estimate): string {
  const parts = MEASURES.map(({ name, label, text }) => {
    const amount = amountOf(left, name) ?? -1;
    if (amount < 0) return "";
    if (name === "instances") return `${amount} ${amount === 1 ? "allocation" : "allocations"}`;
    return name === "cpuMillis" ? text(amount) : `${text(amount)} ${label.toLowerCase()}`;
  }).filter(Boolean);
  return parts.join(" · ") || "no limit";
}
