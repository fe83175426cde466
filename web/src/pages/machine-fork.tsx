// A machine of one's own, made from another one.

import { useEffect, useRef, useState } from "preact/hooks";
import { forkMachine, type Machine } from "../api/generated";
import { TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { Icon } from "../parts/icons";
import { idOf } from "../parts/machines";
import { navigate } from "../parts/router";
import { say } from "../parts/toasts";
import { isAdmin, person } from "../session/session";
import { FormFault } from "./entry";
import { idFor } from "./machine-draft";

export function ForkButton({ machine }: { machine: Machine }) {
  const [open, setOpen] = useState(false);
  if (!person.value?.verified) return null;
  return (
    <>
      <button
        type="button"
        class="button small"
        title="Make a machine of your own from it"
        onClick={() => setOpen(true)}
      >
        <Icon name="fork" />
        Fork
      </button>
      {open && <Fork machine={machine} onClose={() => setOpen(false)} />}
    </>
  );
}

function Fork({ machine, onClose }: { machine: Machine; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [title, setTitle] = useState(`My ${machine.title}`.slice(0, 80));
  const [id, setId] = useState<string | undefined>(undefined);
  const machineId = id ?? idFor(title);
  useEffect(() => dialog.current?.showModal(), []);
  const sending = useSending(async () => {
    const { name, version } = machine;
    const made = await forkMachine({ name, version, machineId, title: title.trim() });
    say(`${made.title} is a draft of yours.`);
    await navigate(`${isAdmin() ? "/admin/machines" : "/mine"}/${idOf(made.name)}`);
  });
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="fork-title" onClose={onClose}>
      <form class="dialog-inside" onSubmit={sending.submit}>
        <h2 id="fork-title">Make your own from {machine.title}</h2>
        <p class="muted">
          It begins as a draft that you change as you like, and remembers where it comes from.
        </p>
        <div class="stack">
          <TextField
            label="Title"
            name="fork-title"
            autofocus
            required
            maxLength={80}
            value={title}
            onChange={setTitle}
            error={sending.field("title")}
          />
          <TextField
            label="Name in addresses"
            mono
            name="fork-id"
            required
            maxLength={63}
            value={machineId}
            onChange={setId}
            error={sending.field("machineId")}
          />
          <FormFault text={sending.rest("title", "machineId")} />
          <div class="row end">
            <button type="button" class="button" onClick={() => dialog.current?.close()}>
              Cancel
            </button>
            <button type="submit" class="button primary" disabled={sending.busy || !machineId}>
              {sending.busy ? "Making it…" : "Make a draft"}
            </button>
          </div>
        </div>
      </form>
    </dialog>
  );
}
