// The states of allocations and machines as signs and words. A sign differs in form, not only in
// colour: a slot is full, half full, empty, crossed out, dashed, or has a mark in it.

import type { AllocationState, MachineState } from "../api/generated";

type Sign = "full" | "busy" | "open" | "crossed" | "dashed" | "gone" | "silent";
type Tone = "good" | "busy" | "calm" | "bad";

const ALLOCATIONS: Record<AllocationState, readonly [word: string, sign: Sign, tone: Tone]> = {
  STATE_UNSPECIFIED: ["Unknown", "dashed", "calm"],
  PENDING: ["Waiting", "busy", "busy"],
  PROVISIONING: ["Provisioning", "busy", "busy"],
  READY: ["Ready", "full", "good"],
  UNHEALTHY: ["Unhealthy", "silent", "bad"],
  STOPPING: ["Stopping", "busy", "busy"],
  STOPPED: ["Stopped", "open", "calm"],
  STARTING: ["Starting", "busy", "busy"],
  UNKNOWN: ["Unknown", "dashed", "calm"],
  FAILED: ["Failed", "crossed", "bad"],
  DELETING: ["Removing", "busy", "busy"],
  DELETED: ["Removed", "gone", "calm"],
};

const MACHINES: Record<MachineState, readonly [word: string, sign: Sign, tone: Tone]> = {
  STATE_UNSPECIFIED: ["Unknown", "dashed", "calm"],
  DRAFT: ["Draft", "dashed", "busy"],
  ACTIVE: ["In the catalogue", "full", "good"],
  RETIRED: ["Retired", "open", "calm"],
};

/** Whether there is an instance that runs, and can be reached, watched and restarted. */
export const isRunning = (state: AllocationState): boolean =>
  state === "READY" || state === "UNHEALTHY";

export function AllocationChip({ state }: { state: AllocationState }) {
  const [word, sign, tone] = ALLOCATIONS[state];
  return <Chip word={word} sign={sign} tone={tone} state={state} />;
}

export function MachineChip({ state }: { state: MachineState }) {
  const [word, sign, tone] = MACHINES[state];
  return <Chip word={word} sign={sign} tone={tone} state={state} />;
}

function Chip({
  word,
  sign,
  tone,
  state,
}: {
  word: string;
  sign: Sign;
  tone: Tone;
  state: string;
}) {
  return (
    <span class={`chip ${tone}`} data-state={state}>
      <svg class={`slot ${sign}`} viewBox="0 0 12 12" aria-hidden="true" focusable="false">
        {sign !== "gone" && <rect class="slot-edge" x="1" y="1" width="10" height="10" rx="2.5" />}
        {sign === "busy" && <rect class="slot-fill" x="3" y="3" width="6" height="6" rx="1" />}
        {sign === "crossed" && <path d="M4 4l4 4M8 4l-4 4" />}
        {sign === "silent" && <path d="M6 3.6v2.6M6 8.4v.1" />}
        {sign === "gone" && <path d="M3 6h6" />}
      </svg>
      {word}
    </span>
  );
}
