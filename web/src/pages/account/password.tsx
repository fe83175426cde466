// The password, changed by whoever knows it.

import { useState } from "preact/hooks";
import { ApiError } from "../../api/faults";
import { changePassword } from "../../api/generated";
import { SecretField } from "../../parts/field";
import { useSending } from "../../parts/form";
import { say } from "../../parts/toasts";
import { FormFault } from "../entry";

export function Password() {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const sending = useSending(async () => {
    await changePassword({ name: "users/me", currentPassword: current, newPassword: next });
    setCurrent("");
    setNext("");
    say("Your password is changed. Every other session is logged out.");
  });
  const wrong = sending.error instanceof ApiError && sending.error.reason === "PASSWORD_WRONG";
  const weak = sending.error instanceof ApiError && sending.error.reason === "PASSWORD_TOO_WEAK";
  return (
    <section class="panel" aria-labelledby="password">
      <h2 id="password">Password</h2>
      <form class="stack" onSubmit={sending.submit}>
        {!wrong && !weak && <FormFault text={sending.rest("currentPassword", "newPassword")} />}
        <SecretField
          label="Present password"
          name="current-password"
          autocomplete="current-password"
          required
          value={current}
          onChange={setCurrent}
          error={
            sending.field("currentPassword") ??
            (wrong ? String((sending.error as Error).message) : undefined)
          }
        />
        <SecretField
          label="New password"
          name="new-password"
          autocomplete="new-password"
          required
          minLength={10}
          maxLength={256}
          value={next}
          onChange={setNext}
          hint="At least 10 characters."
          error={
            sending.field("newPassword") ??
            (weak ? String((sending.error as Error).message) : undefined)
          }
        />
        <div class="row end">
          <button type="submit" class="button primary" disabled={sending.busy}>
            Change it
          </button>
        </div>
      </form>
    </section>
  );
}
