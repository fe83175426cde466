// The e-mail address and the phone number. Another one counts once a code has shown that it is the
// person's; until then the former one stays.

import { useState } from "preact/hooks";
import { ApiError, sentence } from "../../api/faults";
import { changeContact, confirmContact, getUser, type User } from "../../api/generated";
import { CodeField, DIGITS, REST_SECONDS, useCountdown } from "../../parts/code";
import { SecretField, TextField } from "../../parts/field";
import { useSending } from "../../parts/form";
import { complain, say } from "../../parts/toasts";
import { person, setPerson } from "../../session/session";
import { FormFault } from "../entry";

type Kind = "email" | "phoneNumber";

const WORDS: Record<Kind, { label: string; fresh: string; field: string; hint: string }> = {
  email: { label: "E-mail address", fresh: "New e-mail address", field: "new-email", hint: "" },
  phoneNumber: {
    label: "Phone number",
    fresh: "New phone number",
    field: "new-phone-number",
    hint: "With the country’s prefix: +49 30 1234567.",
  },
};

/** A phone number as the server wants it: without the spaces and signs that people write. */
export const plainNumber = (typed: string): string =>
  typed
    .trim()
    .replace(/^00/, "+")
    .replace(/[\s()/.-]/g, "");

export function Contacts() {
  const user = person.value;
  if (!user) return null;
  return (
    <section class="panel" aria-labelledby="contacts">
      <h2 id="contacts">How we reach you</h2>
      <ul class="lines">
        <Contact kind="email" value={user.email} verified={user.emailVerified} />
        <Contact kind="phoneNumber" value={user.phoneNumber} verified={user.phoneVerified} />
      </ul>
    </section>
  );
}

function Contact({ kind, value, verified }: { kind: Kind; value: string; verified: boolean }) {
  const [open, setOpen] = useState(false);
  const { label } = WORDS[kind];
  return (
    <li>
      <div class="row between wrap">
        <div class="pair">
          <span class="muted small">{label}</span>
          <span class="contact">
            {value || <span class="faint">none</span>}{" "}
            {value &&
              (verified ? (
                <span class="tag good">verified</span>
              ) : (
                <span class="tag warn">not verified</span>
              ))}
          </span>
        </div>
        {!open && (
          <div class="row">
            <button
              type="button"
              class="button small"
              aria-label={`${verified || !value ? (value ? "Change" : "Add") : "Verify or change"} the ${label.toLowerCase()}`}
              onClick={() => setOpen(true)}
            >
              {value ? (verified ? "Change" : "Verify or change") : "Add"}
            </button>
          </div>
        )}
      </div>
      {open && <Change kind={kind} start={verified ? "" : value} onDone={() => setOpen(false)} />}
    </li>
  );
}

function Change({ kind, start, onDone }: { kind: Kind; start: string; onDone: () => void }) {
  const words = WORDS[kind];
  const [value, setValue] = useState(start);
  const [password, setPassword] = useState("");
  const [asked, setAsked] = useState("");
  const plain = kind === "email" ? value.trim() : plainNumber(value);
  const request = { name: "users/me", [kind]: plain, currentPassword: password };

  const sending = useSending(async () => {
    const { confirmationRequired } = await changeContact(request);
    if (confirmationRequired) {
      setAsked(plain);
      return;
    }
    setPerson(await getUser({ name: "users/me" }));
    say("That is yours already.");
    onDone();
  });
  const done = (user: User) => {
    setPerson(user);
    say(kind === "email" ? "Your address is changed." : "Your phone number is changed.");
    onDone();
  };

  if (asked) {
    const again = async () => {
      await changeContact(request);
    };
    return <Confirm to={asked} again={again} onDone={done} onCancel={() => setAsked("")} />;
  }
  const wrong = sending.error instanceof ApiError && sending.error.reason === "PASSWORD_WRONG";
  return (
    <form class="stack inner" onSubmit={sending.submit}>
      {!wrong && <FormFault text={sending.rest(kind, "currentPassword")} />}
      <TextField
        label={words.fresh}
        name={words.field}
        type={kind === "email" ? "email" : "text"}
        autocomplete={kind === "email" ? "email" : "tel"}
        autofocus
        required
        maxLength={254}
        value={value}
        onChange={setValue}
        hint={words.hint}
        error={sending.field(kind)}
      />
      <SecretField
        label="Your password"
        name="current-password"
        autocomplete="current-password"
        required
        value={password}
        onChange={setPassword}
        error={sending.field("currentPassword") ?? (wrong ? sentence(sending.error) : undefined)}
      />
      <div class="row end">
        <button type="button" class="button" onClick={onDone}>
          Cancel
        </button>
        <button type="submit" class="button primary" disabled={sending.busy}>
          {sending.busy ? "Sending…" : "Send a code"}
        </button>
      </div>
    </form>
  );
}

function Confirm({
  to,
  again,
  onDone,
  onCancel,
}: {
  to: string;
  again: () => Promise<void>;
  onDone: (user: User) => void;
  onCancel: () => void;
}) {
  const [code, setCode] = useState("");
  const [rest, wait] = useCountdown(REST_SECONDS);
  const sending = useSending(async () => onDone(await confirmContact({ name: "users/me", code })));
  const resend = async () => {
    try {
      await again();
      say("A new code is on its way.");
      wait(REST_SECONDS);
    } catch (error) {
      complain(error);
      if (error instanceof ApiError && error.retryAfter) wait(Math.ceil(error.retryAfter));
    }
  };
  return (
    <form class="stack inner" onSubmit={sending.submit}>
      <p>
        A code of six digits was sent to <strong>{to}</strong>. Until you enter it, nothing changes.
      </p>
      <FormFault text={sending.rest("code")} />
      <div class="code-box">
        <CodeField value={code} onChange={setCode} error={sending.field("code")} />
      </div>
      <div class="row end wrap">
        <button
          type="button"
          class="button plain"
          disabled={rest > 0}
          onClick={() => void resend()}
        >
          {rest > 0 ? `Another code in ${rest} s` : "Send another code"}
        </button>
        <button type="button" class="button" onClick={onCancel}>
          Back
        </button>
        <button
          type="submit"
          class="button primary"
          disabled={sending.busy || code.length < DIGITS}
        >
          Confirm
        </button>
      </div>
    </form>
  );
}
