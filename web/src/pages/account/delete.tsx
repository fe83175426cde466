// The end of an account.

import { useState } from "preact/hooks";
import { ApiError, sentence } from "../../api/faults";
import { deleteUser } from "../../api/generated";
import { CheckField, SecretField } from "../../parts/field";
import { useSending } from "../../parts/form";
import { navigate } from "../../parts/router";
import { say } from "../../parts/toasts";
import { forgetSession } from "../../session/session";
import { FormFault } from "../entry";

export function DeleteAccount() {
  const [open, setOpen] = useState(false);
  return (
    <section class="panel" aria-labelledby="delete">
      <div class="row between wrap">
        <div class="pair grow">
          <h2 id="delete">Delete the account</h2>
          <p class="muted small">
            What you rent is removed with its files. What you have written stays without your name.
          </p>
        </div>
        {!open && (
          <button type="button" class="button danger-quiet" onClick={() => setOpen(true)}>
            Delete…
          </button>
        )}
      </div>
      {open && <Confirm onCancel={() => setOpen(false)} />}
    </section>
  );
}

function Confirm({ onCancel }: { onCancel: () => void }) {
  const [sure, setSure] = useState(false);
  const [password, setPassword] = useState("");
  const sending = useSending(async () => {
    await deleteUser({ name: "users/me", currentPassword: password });
    await navigate("/");
    forgetSession();
    say("Your account is deleted.");
  });
  const wrong = sending.error instanceof ApiError && sending.error.reason === "PASSWORD_WRONG";
  return (
    <form class="stack inner" onSubmit={sending.submit}>
      {!wrong && <FormFault text={sending.rest("currentPassword")} />}
      <SecretField
        label="Your password"
        name="current-password"
        autocomplete="current-password"
        autofocus
        required
        value={password}
        onChange={setPassword}
        error={sending.field("currentPassword") ?? (wrong ? sentence(sending.error) : undefined)}
      />
      <CheckField
        label="I understand that this cannot be undone."
        checked={sure}
        onChange={setSure}
      />
      <div class="row end">
        <button type="button" class="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" class="button danger" disabled={sending.busy || !sure || !password}>
          {sending.busy ? "Deleting…" : "Delete my account"}
        </button>
      </div>
    </form>
  );
}
