// What an owner can change of an allocation.

import { useState } from "preact/hooks";
import { ApiError } from "../api/faults";
import {
  type Allocation,
  getAllocation,
  listResourceClasses,
  type MachineRestartPolicy,
  type ResourceClass,
  updateAllocation,
} from "../api/generated";
import { bytes, cores } from "../parts/bytes";
import { ask } from "../parts/dialog";
import { SelectField, TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { idOf } from "../parts/machines";
import { Modal } from "../parts/modal";
import { useLoaded } from "../parts/page";
import { say } from "../parts/toasts";
import { FormFault } from "./entry";
import { changedIn, planFault, planOf, wireOf } from "./plan";
import { PlanFields } from "./plan-fields";
import { Rows } from "./rows";

/** What becomes of a program that has ended by itself, in words. */
export const RESTARTS: readonly (readonly [value: MachineRestartPolicy, label: string])[] = [
  ["RESTART_POLICY_UNSPECIFIED", "As the machine says"],
  ["NEVER", "Leave it ended"],
  ["ON_FAILURE", "Start it again where it failed"],
  ["ALWAYS", "Start it again however it ended"],
];

/** `Small · 0.5 cores, 256 MB`. */
export const classWords = ({ name, title, cpuMillis, memoryBytes }: ResourceClass): string =>
  `${title || idOf(name)} · ${cores(cpuMillis)}, ${bytes(Number(memoryBytes))}`;

interface Label {
  key: string;
  value: string;
}

const labelsOf = (labels: Record<string, string>): Label[] =>
  Object.entries(labels).map(([key, value]) => ({ key, value }));

export function EditAllocation({
  allocation,
  onChange,
  onClose,
}: {
  allocation: Allocation;
  onChange: (allocation: Allocation) => void;
  onClose: () => void;
}) {
  const [before] = useState(allocation);
  const [displayName, setDisplayName] = useState(before.displayName);
  const [labels, setLabels] = useState<readonly Label[]>(() => labelsOf(before.labels));
  const [plan, setPlan] = useState(() => planOf(before));
  const [restartPolicy, setRestartPolicy] = useState(before.restartPolicy);
  const [resourceClass, setResourceClass] = useState(before.resourceClass);
  const classes = useLoaded((signal) => listResourceClasses({ pageSize: 1000 }, { signal }), []);

  const changed = changedIn(planOf(before), plan);
  const wished = Object.fromEntries(
    labels.filter(({ key }) => key.trim()).map(({ key, value }) => [key.trim(), value]),
  );
  if (displayName.trim() !== before.displayName) changed.push("displayName");
  if (JSON.stringify(wished) !== JSON.stringify(before.labels)) changed.push("labels");
  if (restartPolicy !== before.restartPolicy) changed.push("restartPolicy");
  if (resourceClass !== before.resourceClass) changed.push("resourceClass");

  const sending = useSending(async () => {
    const fault = planFault(plan);
    if (fault) throw new Error(fault);
    const { name } = before;
    const fields = {
      name,
      displayName: displayName.trim(),
      labels: wished,
      restartPolicy,
      resourceClass,
      ...wireOf(plan),
    };
    const save = (etag: string) =>
      updateAllocation({ allocation: { ...fields, etag }, updateMask: changed.join(",") });
    try {
      onChange(await save(before.etag));
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== "ETAG_STALE") throw error;
      const theirs = await getAllocation({ name });
      if (touched(before, theirs)) {
        const text = "It was changed elsewhere since you opened this.";
        const choice = { answer: "mine", label: "Save mine over it", look: "primary" } as const;
        if ((await ask("Changed meanwhile", text, [choice])) !== "mine") return;
      }
      onChange(await save(theirs.etag));
    }
    say("Saved.");
    onClose();
  });
  const known = classes.value?.resourceClasses ?? [];
  return (
    <Modal title="Edit the allocation" wide onClose={onClose}>
      <form class="stack" onSubmit={sending.submit} noValidate>
        <FormFault
          text={sending.rest(
            "displayName",
            "expireTime",
            "expireAction",
            "timeout",
            "schedule",
            "timeZone",
            "resourceClass",
          )}
        />
        <TextField
          label="Your name for it"
          optional
          autofocus
          maxLength={80}
          placeholder={before.machineTitle}
          value={displayName}
          onChange={setDisplayName}
          error={sending.field("displayName")}
        />
        <PlanFields plan={plan} onChange={setPlan} fault={sending.field} />
        <SelectField
          label="When its program ends by itself"
          value={restartPolicy}
          onChange={(value) => setRestartPolicy(value as MachineRestartPolicy)}
          choices={RESTARTS}
          error={sending.field("restartPolicy")}
        />
        {known.length > 0 && (
          <SelectField
            label="Size"
            hint={
              resourceClass === before.resourceClass
                ? undefined
                : "It counts from the next start on."
            }
            value={resourceClass}
            onChange={setResourceClass}
            choices={[
              ...(known.some(({ name }) => idOf(name) === before.resourceClass)
                ? []
                : [[before.resourceClass, before.resourceClass] as const]),
              ...known.map((one) => [idOf(one.name), classWords(one)] as const),
            ]}
            error={sending.field("resourceClass")}
          />
        )}
        <fieldset class="field">
          <legend>Labels</legend>
          <Rows
            bare
            rows={labels}
            onChange={setLabels}
            fresh={{ key: "", value: "" }}
            add="Add a label"
            most={64}
          >
            {(label, change, at) => (
              <div class="two">
                <input
                  aria-label={`Key of label ${at + 1}`}
                  class="mono"
                  placeholder="key"
                  maxLength={63}
                  value={label.key}
                  onInput={(event) => change({ ...label, key: event.currentTarget.value })}
                />
                <input
                  aria-label={`Value of label ${at + 1}`}
                  class="mono"
                  placeholder="value"
                  maxLength={255}
                  value={label.value}
                  onInput={(event) => change({ ...label, value: event.currentTarget.value })}
                />
              </div>
            )}
          </Rows>
        </fieldset>
        <div class="row end">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            class="button primary"
            disabled={sending.busy || changed.length === 0}
          >
            {sending.busy ? "Saving…" : "Save"}
          </button>
        </div>
      </form>
    </Modal>
  );
}

/** Whether somebody has changed what this form is about, and not only its state. */
function touched(before: Allocation, now: Allocation): boolean {
  const said = (one: Allocation) =>
    JSON.stringify([
      one.displayName,
      one.labels,
      one.restartPolicy,
      one.resourceClass,
      wireOf(planOf(one)),
    ]);
  return said(before) !== said(now);
}
