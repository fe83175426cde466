// What is being done with an allocation, why it is as it is, and what will become of it.

import { useState } from "preact/hooks";
import { type Allocation, cancelAllocation, updateAllocation } from "../api/generated";
import { atWords } from "../parts/clock";
import { Icon } from "../parts/icons";
import { complain, say } from "../parts/toasts";
import { now, Soon, When } from "../parts/when";
import { type PlanChoice, planChoices, plannedWhy, plannedWords } from "./planned";
import { placeWords } from "./queue";

type Change = (allocation: Allocation) => void;

export function Story({
  allocation,
  onChange,
  onEdit,
}: {
  allocation: Allocation;
  onChange: Change;
  onEdit: () => void;
}) {
  return (
    <div class="stories">
      <Why allocation={allocation} onChange={onChange} />
      <Coming allocation={allocation} onChange={onChange} onEdit={onEdit} />
    </div>
  );
}

function Why({ allocation, onChange }: { allocation: Allocation; onChange: Change }) {
  const { state, stateReason: why, progress, restartCount } = allocation;
  if (state === "PENDING" && allocation.queue) {
    return <Queued allocation={allocation} onChange={onChange} />;
  }
  if (state === "FAILED" || state === "UNHEALTHY") {
    const failed = state === "FAILED";
    const otherwise = failed ? "It could not be brought to run." : "It does not answer any more.";
    return (
      <section
        class={failed ? "story bad" : "story ill"}
        aria-label={failed ? "Why it failed" : "Why it is unhealthy"}
      >
        <div class="row">
          <Icon name="alert" />
          <strong>{why?.message || otherwise}</strong>
        </div>
        <div class="row wrap small">
          {why?.reason && <span class="tag mono">{why.reason}</span>}
          {why?.exitCode !== undefined && <span class="tag">exit code {why.exitCode}</span>}
          {why?.outOfMemory && <span class="tag">out of memory</span>}
          {restartCount > 0 && <span class="tag">started again {times(restartCount)}</span>}
          <span class="muted">
            since <When time={allocation.stateTime} />
          </span>
        </div>
        {why && why.lastLines.length > 0 && (
          <details>
            <summary>Its last lines</summary>
            <pre>{why.lastLines.join("\n")}</pre>
          </details>
        )}
      </section>
    );
  }
  const text = progress || (state === "READY" ? "" : why?.message);
  if (!text && state !== "UNKNOWN") return null;
  return (
    <section class={progress ? "story busy" : "story"} role="status">
      {progress && <span class="slot-busy" aria-hidden="true" />}
      <span>
        {text || "What runs it cannot be asked at present."}
        {state === "UNKNOWN" && (
          <>
            {" "}
            What is shown was so <When time={allocation.observedTime} />.
          </>
        )}
      </span>
    </section>
  );
}

export const times = (count: number): string =>
  count === 0 ? "never" : count === 1 ? "once" : count === 2 ? "twice" : `${count} times`;

/** Where it stands in the queue, with the way out of it. */
function Queued({ allocation, onChange }: { allocation: Allocation; onChange: Change }) {
  const [busy, setBusy] = useState(false);
  const { queue } = allocation;
  if (!queue) return null;
  const { position, length } = queue;
  const cancel = async () => {
    setBusy(true);
    try {
      onChange(await cancelAllocation({ name: allocation.name }));
      say("It waits no more.");
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <section class="story queued" aria-label="Its place in the queue">
      <div class="queue-place">
        <span class="queue-number" aria-hidden="true">
          {position}
        </span>
        <div class="pair grow">
          <strong role="status">{placeWords(position, length)}</strong>
          <span class="small muted">
            {queue.waitingFor?.message || "It waits for room."}{" "}
            {queue.expectedTime ? (
              <>
                Its turn is likely to come <Soon time={queue.expectedTime} />.{" "}
              </>
            ) : (
              "When its turn comes cannot be said yet. "
            )}
            {queue.deadline && <>It is given up {atWords(new Date(queue.deadline))}.</>}
          </span>
        </div>
        <button type="button" class="button small" disabled={busy} onClick={() => void cancel()}>
          Cancel
        </button>
      </div>
      <Places position={position} length={length} />
    </section>
  );
}

const MOST_PLACES = 24;

/** The queue as a row of slots, one's own filled. */
function Places({ position, length }: { position: number; length: number }) {
  if (length < 2) return null;
  const shown = Math.min(length, MOST_PLACES);
  return (
    <div class="places" aria-hidden="true">
      {Array.from({ length: shown }, (_, at) => (
        <span
          key={at}
          class={at + 1 === Math.min(position, MOST_PLACES) ? "place here" : "place"}
        />
      ))}
      {length > MOST_PLACES && <span class="small muted">+{length - MOST_PLACES}</span>}
    </div>
  );
}

/** What will happen by itself, with the way to have it otherwise. */
function Coming({
  allocation,
  onChange,
  onEdit,
}: {
  allocation: Allocation;
  onChange: Change;
  onEdit: () => void;
}) {
  const [busy, setBusy] = useState(false);
  const { planned, state } = allocation;
  if (!planned?.time || state === "DELETED" || state === "DELETING") return null;
  const act = async (choice: PlanChoice) => {
    if (choice.kind === "edit") {
      onEdit();
      return;
    }
    setBusy(true);
    try {
      const { name } = allocation;
      onChange(
        await updateAllocation({
          allocation: { name, ...choice.change(Date.now()) },
          updateMask: choice.mask,
        }),
      );
      say(choice.done);
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  const soon = Date.parse(planned.time) - now.value < 3_600_000;
  return (
    <section
      class={soon ? "story plan soon" : "story plan"}
      aria-label="What is planned"
      data-planned
    >
      <Icon name="clock" />
      <span class="grow">
        <strong>{plannedWords(planned)}</strong>
        <span class="muted">
          , <When time={planned.time} />, {plannedWhy(planned)}.
        </span>
      </span>
      <span class="row wrap">
        {planChoices(allocation).map((choice) => (
          <button
            key={choice.label}
            type="button"
            class="button small"
            disabled={busy}
            onClick={() => void act(choice)}
          >
            {choice.label}
          </button>
        ))}
      </span>
    </section>
  );
}
