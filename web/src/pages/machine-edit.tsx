// A machine is made and changed: any of them by admins, drafts of their own by other people.

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/faults";
import { createMachine, getMachine, type Machine, updateMachine } from "../api/generated";
import { requestId } from "../api/transport";
import { ask } from "../parts/dialog";
import { TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { idOf, MachineIcon } from "../parts/machines";
import { Page, Trouble, useLoaded, Waiting } from "../parts/page";
import { guardLeaving, navigate } from "../parts/router";
import { MachineChip } from "../parts/state";
import { say } from "../parts/toasts";
import { isAdmin } from "../session/session";
import { FormFault } from "./entry";
import { MachineActions, SubmissionNote } from "./machine-actions";
import {
  differences,
  draftOf,
  EMPTY,
  FIELD_WORDS,
  idFor,
  type MachineDraft,
  machineOf,
} from "./machine-draft";
import { MachineFields } from "./machine-fields";
import { Pictures } from "./machine-pictures";
import { Versions } from "./machine-versions";

/** Where the machines of whoever edits are listed: an admin's are all. */
export type Home = "/admin/machines" | "/mine";

export function EditMachinePage({ name, home }: { name?: string; home: Home }) {
  if (!name) return <NewMachine home={home} />;
  return <ExistingMachine name={name} home={home} />;
}

function NewMachine({ home }: { home: Home }) {
  const [draft, setDraft] = useState<MachineDraft>(EMPTY);
  const [id, setId] = useState<string | undefined>(undefined);
  const attempt = useRef({ of: "", id: "" });
  const machineId = id ?? idFor(draft.title);
  const leave = useUnsaved(differences(draft, EMPTY).length > 0);
  const sending = useSending(async () => {
    const machine = machineOf(draft);
    const of = JSON.stringify([machine, machineId]);
    if (attempt.current.of !== of) attempt.current = { of, id: requestId() };
    const made = await createMachine({ machine, machineId, requestId: attempt.current.id });
    const next = isAdmin() ? "Publish" : "Submit";
    say(`${made.title} is a draft. ${next} it when it is right.`);
    leave();
    await navigate(`${home}/${idOf(made.name)}`, { replace: true });
  });
  return (
    <Page title="Add a machine" narrow>
      {!isAdmin() && (
        <p class="muted">
          It begins as a draft that only you see. Submit it, and an admin looks at it and puts it
          into the catalogue.
        </p>
      )}
      <form class="stack" onSubmit={sending.submit} noValidate>
        <MachineFields draft={draft} onChange={setDraft} field={sending.field} commands={isAdmin()}>
          <TextField
            label="Name in addresses"
            mono
            name="machine-id"
            required
            maxLength={63}
            value={machineId}
            onChange={setId}
            hint="Lower-case letters, digits and hyphens. It cannot be changed later."
            error={sending.field("machineId") ?? sending.field("machine_id")}
          />
        </MachineFields>
        <FormFault text={sending.rest()} />
        <div class="save-bar">
          <a class="button" href={home}>
            Cancel
          </a>
          <button type="submit" class="button primary" disabled={sending.busy}>
            {sending.busy ? "Adding…" : "Add as a draft"}
          </button>
        </div>
      </form>
    </Page>
  );
}

function ExistingMachine({ name, home }: { name: string; home: Home }) {
  const machine = useLoaded((signal) => getMachine({ name }, { signal }), [name]);
  if (!machine.value) {
    return (
      <Page title="Machine" narrow>
        {machine.error === undefined ? (
          <Waiting />
        ) : (
          <Trouble error={machine.error} again={machine.again} />
        )}
      </Page>
    );
  }
  return <Form machine={machine.value} onChange={machine.set} home={home} />;
}

function Form({
  machine,
  onChange,
  home,
}: {
  machine: Machine;
  onChange: (machine: Machine) => void;
  home: Home;
}) {
  const read = draftOf(machine);
  const [draft, setDraft] = useState<MachineDraft>(read);
  const changed = differences(draft, read);
  const leave = useUnsaved(changed.length > 0);

  const save = async (etag: string) => {
    const updateMask = changed.join(",");
    const sent = { ...machineOf(draft), name: machine.name, etag };
    const saved = await updateMachine({ machine: sent, updateMask });
    onChange(saved);
    setDraft(draftOf(saved));
    const again = machine.submission && !isAdmin() ? " Submit it again when it is right." : "";
    say(`Saved as version ${saved.version}.${again}`);
  };

  const sending = useSending(async () => {
    try {
      await save(machine.etag);
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== "ETAG_STALE") throw error;
      const theirs = await getMachine({ name: machine.name });
      const fields = differences(draftOf(theirs), read).map((field) => FIELD_WORDS[field]);
      const what =
        fields.length > 0 ? `Changed there: ${fields.join(", ")}.` : "Its state has changed.";
      const chosen = await ask(
        "Somebody has changed this machine",
        <>
          <p>It was changed while you were editing. {what}</p>
          <p>Yours: {changed.map((field) => FIELD_WORDS[field]).join(", ")}.</p>
        </>,
        [
          { answer: "theirs", label: "Load theirs" },
          { answer: "mine", label: "Save mine over it", look: "primary" },
        ],
      );
      if (chosen === "theirs") {
        onChange(theirs);
        setDraft(draftOf(theirs));
      } else if (chosen === "mine") {
        await save(theirs.etag);
      }
    }
  });

  const mayEdit = isAdmin() || machine.state === "DRAFT";
  /** Takes over what else has changed, and leaves what is being edited as it is. */
  const take = (next: Machine) => {
    onChange(next);
    if (changed.length === 0) setDraft(draftOf(next));
  };
  const roll = (next: Machine) => {
    onChange(next);
    setDraft(draftOf(next));
  };
  const heading = (
    <>
      <MachineIcon machine={machine} large />
      <span>
        <span class="row">
          {machine.title}
          <MachineChip state={machine.state} />
        </span>
        <span class="under mono">
          {idOf(machine.name)} · version {machine.version}
        </span>
      </span>
    </>
  );
  const actions = (
    <>
      <a class="button small plain" href={`/machines/${idOf(machine.name)}`}>
        See it
      </a>
      <MachineActions
        machine={machine}
        onChange={take}
        onGone={() => {
          leave();
          void navigate(home);
        }}
      />
    </>
  );
  return (
    <Page title={machine.title} heading={heading} actions={actions} narrow>
      <SubmissionNote machine={machine} />
      {!mayEdit && (
        <p class="muted">
          It is in the catalogue, so only admins change it. Fork it to make another one from it.
        </p>
      )}
      <Pictures machine={machine} onChange={take} disabled={!mayEdit} />
      <form class="stack" onSubmit={sending.submit} noValidate>
        <MachineFields
          draft={draft}
          onChange={setDraft}
          field={sending.field}
          commands={isAdmin()}
        />
        <FormFault text={sending.rest()} />
        <div class="save-bar">
          <span class="muted small">
            {changed.length > 0
              ? `Changed: ${changed.map((field) => FIELD_WORDS[field]).join(", ")}`
              : "Nothing has changed. Allocations keep the version that they were made from."}
          </span>
          <button
            type="button"
            class="button"
            disabled={changed.length === 0 || sending.busy}
            onClick={() => setDraft(read)}
          >
            Discard
          </button>
          <button
            type="submit"
            class="button primary"
            disabled={changed.length === 0 || sending.busy || !mayEdit}
          >
            {sending.busy ? "Saving…" : "Save"}
          </button>
        </div>
      </form>
      <section class="panel" aria-label="Versions">
        <Versions machine={machine} {...(mayEdit ? { onChange: roll } : {})} />
      </section>
    </Page>
  );
}

/** Asks before what is not saved is left behind. Answers with what lifts that. */
function useUnsaved(unsaved: boolean): () => void {
  const lift = useRef<() => void>(() => undefined);
  useEffect(() => {
    if (!unsaved) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", warn);
    const unguard = guardLeaving(async () => {
      const choices = [{ answer: "leave", label: "Leave", look: "danger" }] as const;
      return (
        (await ask("Leave without saving?", "What you have changed is lost.", choices)) === "leave"
      );
    });
    lift.current = () => {
      removeEventListener("beforeunload", warn);
      unguard();
    };
    return lift.current;
  }, [unsaved]);
  return () => lift.current();
}
