// What one can do with an allocation: start, stop, restart, remove.

import { useState } from "preact/hooks";
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
import { confirmed } from "./dialog";
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
    stop: !over && desiredState === "RUNNING" && state !== "FAILED",
    restart: isRunning(state),
    remove: !over,
  };
}

/** The name that its owner gave it, or the machine's title. */
export const shownName = (allocation: Allocation): string =>
  allocation.displayName || allocation.machineTitle || allocation.name;

async function run(verb: Verb, { name }: Allocation): Promise<Allocation> {
  if (verb === "start") return startAllocation({ name, requestId: requestId() });
  if (verb === "stop") return stopAllocation({ name });
  if (verb === "restart") return restartAllocation({ name, requestId: requestId() });
  return deleteAllocation({ name });
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
    if (verb === "remove" && !(await sure(allocation))) return;
    setBusy(verb);
    try {
      const changed = await run(verb, allocation);
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

function sure(allocation: Allocation): Promise<boolean> {
  const text = MOVING.has(allocation.state)
    ? "It is cancelled, and what there is of it is deleted."
    : "Its instance and its files are deleted, and its address is given back. This cannot be undone.";
  return confirmed(`Remove ${shownName(allocation)}?`, text, "Remove");
}
