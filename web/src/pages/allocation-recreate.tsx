// Making an allocation's instance anew from the newest version of its machine.

import { useState } from "preact/hooks";
import {
  type Allocation,
  getMachine,
  listMachineVersions,
  type Machine,
  recreateAllocation,
  type Variable,
} from "../api/generated";
import { requestId } from "../api/transport";
import { SecretField, TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { Modal } from "../parts/modal";
import { Trouble, useLoaded, Waiting } from "../parts/page";
import { say } from "../parts/toasts";
import { FormFault } from "./entry";
import { differences, draftOf, FIELD_WORDS } from "./machine-draft";
import { whatBecomes } from "./recreated";

interface Versions {
  now: Machine;
  /** The version that the allocation was made from; undefined where it is not kept any more. */
  before: Machine | undefined;
}

async function versionsOf(allocation: Allocation, signal: AbortSignal): Promise<Versions> {
  const { machine: name, machineVersion } = allocation;
  const [now, kept] = await Promise.all([
    getMachine({ name }, { signal }),
    listMachineVersions({ parent: name, pageSize: 1000 }, { signal }),
  ]);
  return { now, before: kept.versions.find(({ version }) => version === machineVersion) };
}

/** The variables that the newer version asks for, and that the allocation has no value of. */
export function newVariables(allocation: Allocation, machine: Machine): Variable[] {
  const known = new Set(allocation.variables.map(({ key }) => key));
  return machine.variables.filter(({ key }) => !known.has(key));
}

export function Recreate({
  allocation,
  onChange,
  onClose,
}: {
  allocation: Allocation;
  onChange: (allocation: Allocation) => void;
  onClose: () => void;
}) {
  const versions = useLoaded((signal) => versionsOf(allocation, signal), [allocation.name]);
  const newer = allocation.newerMachineVersion > 0;
  return (
    <Modal title={newer ? "Recreate with the newer version" : "Recreate"} onClose={onClose}>
      {versions.error !== undefined && <Trouble error={versions.error} again={versions.again} />}
      {!versions.value && versions.error === undefined && <Waiting />}
      {versions.value && (
        <Form
          allocation={allocation}
          versions={versions.value}
          onChange={onChange}
          onClose={onClose}
        />
      )}
    </Modal>
  );
}

function Form({
  allocation,
  versions: { now, before },
  onChange,
  onClose,
}: {
  allocation: Allocation;
  versions: Versions;
  onChange: (allocation: Allocation) => void;
  onClose: () => void;
}) {
  const asked = newVariables(allocation, now);
  const [values, setValues] = useState<Record<string, string>>(() =>
    Object.fromEntries(asked.map(({ key, defaultValue }) => [key, defaultValue])),
  );
  const [id] = useState(requestId);
  const sending = useSending(async () => {
    const variables = Object.entries(values)
      .filter(([, value]) => value !== "")
      .map(([key, value]) => ({ key, value }));
    onChange(await recreateAllocation({ name: allocation.name, variables, requestId: id }));
    say("It is made anew.");
    onClose();
  });
  const changed = before
    ? differences(draftOf(now), draftOf(before)).map((field) => FIELD_WORDS[field])
    : undefined;
  const rows = before
    ? [
        ["Image", before.image, now.image],
        ["Size", before.resourceClass, now.resourceClass],
      ].filter(([, was, is]) => was !== is)
    : [];
  return (
    <form class="stack" onSubmit={sending.submit}>
      <FormFault text={sending.rest()} />
      <p>
        {now.version === allocation.machineVersion
          ? `It is made anew from version ${now.version}, which it has already.`
          : `From version ${allocation.machineVersion} to version ${now.version}.`}
      </p>
      {changed && changed.length > 0 && (
        <div class="pair">
          <strong>What changes</strong>
          <span class="muted">{changed.join(", ")}</span>
        </div>
      )}
      {rows.length > 0 && (
        <dl class="facts small">
          {rows.map(([label, was, is]) => (
            <>
              <dt>{label}</dt>
              <dd>
                <span class="mono">{was || "none"}</span> →{" "}
                <span class="mono strong">{is || "none"}</span>
              </dd>
            </>
          ))}
        </dl>
      )}
      <ul class="keeps">
        {whatBecomes(allocation, now).map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
      {asked.map((variable) => {
        const frame = {
          label: variable.title || variable.key,
          hint: variable.description,
          optional: !variable.required || variable.generatedLength > 0,
          value: values[variable.key] ?? "",
          onChange: (value: string) => setValues({ ...values, [variable.key]: value }),
          maxLength: 4096,
        };
        return variable.secret ? (
          <SecretField key={variable.key} {...frame} makeUp autocomplete="new-password" />
        ) : (
          <TextField key={variable.key} {...frame} />
        );
      })}
      <div class="row end">
        <button type="button" class="button" onClick={onClose}>
          Cancel
        </button>
        <button type="submit" class="button primary" disabled={sending.busy}>
          {sending.busy ? "Recreating…" : "Recreate"}
        </button>
      </div>
    </form>
  );
}
