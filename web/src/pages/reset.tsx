// A forgotten password: a code is sent, and with it another password is set.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError } from "../api/faults";
import { requestPasswordReset, resetPassword } from "../api/generated";
import { CodeField, DIGITS, REST_SECONDS, useCountdown } from "../parts/code";
import { SecretField, TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { navigate, place } from "../parts/router";
import { complain, say } from "../parts/toasts";
import { Entry, FormFault } from "./entry";

export function ResetPassword() {
  const [email, setEmail] = useState(place.value.query.get("email") ?? "");
  const [sent, setSent] = useState(false);
  const [rest, wait] = useCountdown(0);
  const back = <a href="/login">Back to the log-in</a>;
  const sending = useSending(async () => {
    try {
      await requestPasswordReset({ email: email.trim() });
    } catch (error) {
      if (error instanceof ApiError && error.retryAfter) wait(Math.ceil(error.retryAfter));
      throw error;
    }
    setSent(true);
  });
  if (sent) return <NewPassword email={email.trim()} foot={back} />;
  return (
    <Entry
      title="Forgotten password"
      lead="A code is sent to your address, with which you set another password."
      foot={back}
    >
      <form class="stack" onSubmit={sending.submit}>
        <FormFault text={sending.rest("email")} />
        <TextField
          label="E-mail address"
          type="email"
          name="email"
          autocomplete="username"
          autofocus
          required
          maxLength={254}
          value={email}
          onChange={setEmail}
          error={sending.field("email")}
        />
        <button type="submit" class="button primary wide" disabled={sending.busy || rest > 0}>
          {rest > 0 ? `Send a code in ${rest} s` : sending.busy ? "Sending…" : "Send a code"}
        </button>
        <button
          type="button"
          class="button plain wide"
          disabled={!email.trim()}
          onClick={() => setSent(true)}
        >
          I have a code already
        </button>
      </form>
    </Entry>
  );
}

function NewPassword({ email, foot }: { email: string; foot: ComponentChildren }) {
  const [code, setCode] = useState("");
  const [password, setPassword] = useState("");
  const [rest, wait] = useCountdown(REST_SECONDS);
  const sending = useSending(async () => {
    await resetPassword({ email, code, newPassword: password });
    say("Your password is set. Log in with it.");
    await navigate(`/login?email=${encodeURIComponent(email)}`, { replace: true });
  });
  const resend = async () => {
    try {
      await requestPasswordReset({ email });
      say("If there is such an account, a new code is on its way.");
      wait(REST_SECONDS);
    } catch (error) {
      complain(error);
      if (error instanceof ApiError && error.retryAfter) wait(Math.ceil(error.retryAfter));
    }
  };
  return (
    <Entry
      title="Set a new password"
      lead={
        <>
          If there is an account of <strong>{email}</strong>, a code of six digits is on its way
          there.
        </>
      }
      foot={foot}
    >
      <form class="stack" onSubmit={sending.submit}>
        <FormFault text={sending.rest("code", "newPassword")} />
        <CodeField value={code} onChange={setCode} error={sending.field("code")} />
        <SecretField
          label="New password"
          name="new-password"
          autocomplete="new-password"
          required
          minLength={10}
          maxLength={256}
          value={password}
          onChange={setPassword}
          hint="At least 10 characters. Every session of yours ends."
          error={sending.field("newPassword")}
        />
        <button
          type="submit"
          class="button primary wide"
          disabled={sending.busy || code.length < DIGITS}
        >
          {sending.busy ? "Setting it…" : "Set the password"}
        </button>
        <button
          type="button"
          class="button plain wide"
          disabled={rest > 0}
          onClick={() => void resend()}
        >
          {rest > 0 ? `Send another code in ${rest} s` : "Send another code"}
        </button>
      </form>
    </Entry>
  );
}
