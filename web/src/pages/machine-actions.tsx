// What is done with a machine as a whole: submitted, published, rejected, retired, deleted.

import { useState } from "preact/hooks";
import {
  deleteMachine,
  type Machine,
  publishMachine,
  rejectMachine,
  retireMachine,
  submitMachine,
} from "../api/generated";
import { asked, confirmed } from "../parts/dialog";
import { Icon } from "../parts/icons";
import { complain, say } from "../parts/toasts";
import { When } from "../parts/when";
import { isAdmin } from "../session/session";

/** Whether the machine waits for an admin. */
export const isWaiting = ({ state, submission }: Machine): boolean =>
  state === "DRAFT" && submission !== undefined && !submission.rejectTime;

/** What came of showing a draft to the admins. */
export function SubmissionNote({ machine }: { machine: Machine }) {
  const { submission, state } = machine;
  if (!submission || state !== "DRAFT") return null;
  if (!submission.rejectTime) {
    return (
      <section class="story busy" role="status">
        <Icon name="clock" />
        <span>
          Submitted <When time={submission.submitTime} />: it waits for an admin.
          {!isAdmin() && " Saving a change takes it back."}
        </span>
      </section>
    );
  }
  return (
    <section class="story bad" aria-label="Why it was rejected">
      <div class="row">
        <Icon name="alert" />
        <strong>
          An admin did not publish it <When time={submission.rejectTime} />
        </strong>
      </div>
      <p class="as-written">{submission.rejection}</p>
    </section>
  );
}

/** What the machine's state, and who one is, allow. */
export function MachineActions({
  machine,
  onChange,
  onGone,
}: {
  machine: Machine;
  onChange: (machine: Machine) => void;
  onGone: (name: string) => void;
}) {
  const [busy, setBusy] = useState(false);
  const { name, etag, title, state } = machine;
  const run = async (work: () => Promise<void>) => {
    setBusy(true);
    try {
      await work();
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  const publish = () =>
    run(async () => {
      onChange(await publishMachine({ name, etag }));
      say(`${title} is in the catalogue.`);
    });
  const retire = () =>
    run(async () => {
      onChange(await retireMachine({ name, etag }));
      say(`${title} is retired. What is rented of it goes on.`);
    });
  const submit = () =>
    run(async () => {
      onChange(await submitMachine({ name, etag }));
      say(`${title} is submitted. You are told what the admins say.`);
    });
  const reject = async () => {
    const rejection = await asked(`Reject ${title}?`, {
      label: "Why",
      hint: "Its publisher reads this. It stays a draft.",
      send: "Reject",
      most: 1000,
    });
    if (rejection === undefined) return;
    await run(async () => {
      onChange(await rejectMachine({ name, etag, rejection }));
      say(`${title} is rejected.`);
    });
  };
  const remove = async () => {
    if (!(await confirmed(`Delete ${title}?`, "What is rented of it goes on.", "Delete"))) return;
    await run(async () => {
      await deleteMachine({ name, etag });
      onGone(name);
      say(`${title} is deleted.`);
    });
  };
  const button = (label: string, work: () => Promise<void>, look = "") => (
    <button
      type="button"
      class={`button small ${look}`}
      disabled={busy}
      onClick={() => void work()}
    >
      {label}
    </button>
  );
  const waits = isWaiting(machine);
  return (
    <div class="actions" role="group" aria-label={`Actions on ${title}`}>
      {isAdmin() && state === "ACTIVE" && button("Retire", retire)}
      {isAdmin() && state !== "ACTIVE" && button("Publish", publish, waits ? "primary" : "")}
      {isAdmin() && waits && button("Reject…", reject)}
      {!isAdmin() && state === "DRAFT" && !waits && button("Submit", submit, "primary")}
      {(isAdmin() ? state !== "ACTIVE" : state === "DRAFT") &&
        button("Delete", remove, "danger-quiet")}
    </div>
  );
}
