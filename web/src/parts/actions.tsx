// What one can do with an allocation: start, stop, restart, remove.

import { useState } from "preact/hooks";
import { ApiError } from "../api/faults";
import {
  type Allocation,
  type AllocationState,
  deleteAllocation,
  restartAllocation,
  startAllocation,
  stopAllocation,
} from "../api/generated";
import { requestId } from "../api/transport";
import { putEverywhere } from "../live/allocations";
import { person } from "../session/session";
import { ask, confirmed } from "./dialog";
import { Icon, type IconName } from "./icons";
import { isRunning } from "./state";
import { complain } from "./toasts";

type Verb = "start" | "stop" | "restart" | "remove";

const LABELS: Record<Verb, readonly [label: string, icon: IconName]> = {
  start: ["Start", "play"],
  stop: ["Stop", "stop"],
  restart: ["Restart", "restart"],
  remove: ["Remove", "trash"],
};

const MOVING: ReadonlySet<AllocationState> = new Set(["PENDING", "PROVISIONING", "STARTING"]);

/** What makes sense in the state that the allocation is in. */
function possible({ state, desiredState }: Allocation): Record<Verb, boolean> {
  const over = state === "DELETED" || state === "DELETING";
  return {
    start: !over && (state === "STOPPED" || state === "FAILED" || desiredState === "STOPPED"),
    // What waits is cancelled, where its place in the queue is shown.
    stop: !over && desiredState === "RUNNING" && state !== "FAILED" && state !== "PENDING",
    restart: isRunning(state),
    remove: !over,
  };
}

/** The name that its owner gave it, or the machine's title. */
export const shownName = (allocation: Allocation): string =>
  allocation.displayName || allocation.machineTitle || allocation.name;

/** Why there is no room at present, though there may be some later. */
const FULL: ReadonlySet<string> = new Set([
  "CAPACITY_EXHAUSTED",
  "OTHERS_WAIT",
  "PORTS_EXHAUSTED",
  "STOCK_EXHAUSTED",
]);

/** Whether a request was refused for want of room, and may wait for it. */
export const isFull = (error: unknown): error is ApiError =>
  error instanceof ApiError && FULL.has(error.reason);

/** Does what is wished; answers with nothing where the person turns away from it. */
async function run(verb: Verb, allocation: Allocation): Promise<Allocation | undefined> {
  const { name } = allocation;
  if (verb === "start") return start(allocation);
  if (verb === "stop") return stopAllocation({ name });
  if (verb === "restart") return restartAllocation({ name, requestId: requestId() });
  const keepVolumes = await kept(allocation);
  return keepVolumes === undefined ? undefined : deleteAllocation({ name, keepVolumes });
}

async function start(allocation: Allocation): Promise<Allocation | undefined> {
  const { name } = allocation;
  try {
    return await startAllocation({ name, requestId: requestId() });
  } catch (error) {
    if (!isFull(error)) throw error;
    const chosen = await ask(`${shownName(allocation)} cannot start now`, error.message, [
      { answer: "wait", label: "Wait for room", look: "primary" },
    ]);
    if (!chosen) return undefined;
    return startAllocation({ name, whenFull: "WAIT", requestId: requestId() });
  }
}

export function Actions({
  allocation,
  onChange,
  small = false,
}: {
  allocation: Allocation;
  onChange?: (allocation: Allocation) => void;
  small?: boolean;
}) {
  const [busy, setBusy] = useState<Verb | "">("");
  const can = possible(allocation);

  const act = async (verb: Verb) => {
    setBusy(verb);
    try {
      const changed = await run(verb, allocation);
      if (!changed) return;
      putEverywhere(changed, changed.owner === person.value?.name);
      onChange?.(changed);
    } catch (error) {
      complain(error);
    } finally {
      setBusy("");
    }
  };

  // Starting and stopping exclude each other, so one place is enough for both.
  const shown: Verb[] = [can.start ? "start" : "stop", "restart", "remove"];
  return (
    <div class="actions" role="group" aria-label={`Actions on ${shownName(allocation)}`}>
      {shown.map((verb) => {
        const [label, icon] = LABELS[verb];
        const look = `button ${small ? "icon-only" : ""} ${verb === "remove" ? "danger-quiet" : ""}`;
        return (
          <button
            key={verb}
            type="button"
            class={look}
            title={label}
            aria-label={label}
            aria-busy={busy === verb}
            disabled={!can[verb] || busy !== ""}
            onClick={() => void act(verb)}
          >
            <Icon name={icon} />
            {!small && <span>{label}</span>}
          </button>
        );
      })}
    </div>
  );
}

/** Asks whether to remove it, and whether its volumes stay; undefined where it shall not be removed. */
async function kept(allocation: Allocation): Promise<boolean | undefined> {
  const title = `Remove ${shownName(allocation)}?`;
  if (allocation.volumes.length > 0) {
    const paths = allocation.volumes.map(({ path }) => path).join(", ");
    const text = `Its instance is deleted, and its address is given back. What is in ${paths} can be kept as detached volumes, for another allocation.`;
    const chosen = await ask(title, text, [
      { answer: "keep", label: "Keep its volumes" },
      { answer: "all", label: "Remove all of it", look: "danger" },
    ]);
    return chosen === undefined ? undefined : chosen === "keep";
  }
  const text = MOVING.has(allocation.state)
    ? "It is cancelled, and what there is of it is deleted."
    : "Its instance and its files are deleted, and its address is given back. This cannot be undone.";
  return (await confirmed(title, text, "Remove")) ? false : undefined;
}
