// What a machine was before: each change has kept the former version.

import { useState } from "preact/hooks";
import { listMachineVersions, type Machine, rollbackMachine } from "../api/generated";
import { confirmed } from "../parts/dialog";
import { Waiting } from "../parts/page";
import { More, usePaged } from "../parts/paged";
import { complain, say } from "../parts/toasts";
import { When } from "../parts/when";
import { differences, draftOf, FIELD_WORDS } from "./machine-draft";

/** The versions, folded up; with `onChange`, whoever may edit the machine can go back to one. */
export function Versions({
  machine,
  onChange,
}: {
  machine: Machine;
  onChange?: (machine: Machine) => void;
}) {
  const [open, setOpen] = useState(false);
  return (
    <details class="versions" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        Version {machine.version}
        <span class="muted">
          {" "}
          · changed <When time={machine.updateTime} />
        </span>
      </summary>
      {open && <List key={machine.etag} machine={machine} onChange={onChange} />}
    </details>
  );
}

function List({
  machine,
  onChange,
}: {
  machine: Machine;
  onChange: ((machine: Machine) => void) | undefined;
}) {
  const list = usePaged(
    async (pageToken, signal) => {
      const asked = { parent: machine.name, pageSize: 10, pageToken };
      const answer = await listMachineVersions(asked, { signal });
      return { items: answer.versions, nextPageToken: answer.nextPageToken };
    },
    [machine.name],
  );
  const back = async (version: number) => {
    const text = `It becomes what it was in version ${version}, as a new version.`;
    if (!(await confirmed(`Go back to version ${version}?`, text, "Go back"))) return;
    try {
      const { name, etag } = machine;
      onChange?.(await rollbackMachine({ name, version, etag }));
      say(`It is again as in version ${version}.`);
    } catch (error) {
      complain(error);
    }
  };
  return (
    <>
      {!list.items && list.busy && <Waiting />}
      <ol class="lines">
        {list.items?.map((version, at) => (
          <li key={version.version} class="row between">
            <div>
              <strong>Version {version.version}</strong>{" "}
              <span class="muted small">
                <When time={version.updateTime} />
              </span>
              <div class="small muted">{changesSince(version, list.items?.[at + 1])}</div>
            </div>
            {onChange && version.version !== machine.version && (
              <button
                type="button"
                class="button small"
                aria-label={`Go back to version ${version.version}`}
                onClick={() => void back(version.version)}
              >
                Go back to it
              </button>
            )}
          </li>
        ))}
      </ol>
      <More list={list} />
    </>
  );
}

/** In which fields a version differs from the one before it, in words. */
export function changesSince(version: Machine, before: Machine | undefined): string {
  if (version.version === 1) return "The first one";
  if (!before) return "";
  const words = differences(draftOf(version), draftOf(before)).map((field) => FIELD_WORDS[field]);
  return words.length > 0 ? `Changed: ${words.join(", ")}` : "State or pictures changed";
}
