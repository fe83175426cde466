import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/faults";
import { sendVerificationCode, verifyUser } from "../api/generated";
import { CodeField, DIGITS, REST_SECONDS, useCountdown } from "../parts/code";
import { TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { afterwards, navigate } from "../parts/router";
import { complain, say } from "../parts/toasts";
import { logIn } from "../session/session";
import { Entry, FormFault } from "./entry";

const isPhone = (contact: string): boolean => contact.trim().startsWith("+");

/** Who is to be verified, as requests say it. */
const asked = (contact: string): { email: string } | { phoneNumber: string } =>
  isPhone(contact) ? { phoneNumber: contact.replace(/[\s()/-]/g, "") } : { email: contact.trim() };

// Kept in memory between the pages only, so that the log-in need not be typed twice.
let expected = { email: "", password: "", sent: false };

/** Remembers which address or number has to be verified, and with which password to log in then. */
export function expectVerification(contact: string, password: string, { sent = false } = {}): void {
  expected = { email: contact, password, sent };
}

export function Verify() {
  const [email, setEmail] = useState(expected.email);
  const [code, setCode] = useState("");
  const [rest, wait] = useCountdown(expected.sent ? REST_SECONDS : 0);
  const known = Boolean(expected.email);
  const to = afterwards();

  const sending = useSending(async () => {
    await verifyUser({ ...asked(email), code });
    const { password } = expected;
    expected = { email: "", password: "", sent: false };
    say(isPhone(email) ? "Your number is verified." : "Your address is verified.");
    if (password) {
      await logIn(email.trim(), password);
      await navigate(to, { replace: true });
    } else {
      const query = `email=${encodeURIComponent(email.trim())}&to=${encodeURIComponent(to)}`;
      await navigate(`/login?${query}`);
    }
  });

  const resend = async () => {
    try {
      await sendVerificationCode(asked(email));
      say("A new code is on its way.");
      wait(REST_SECONDS);
    } catch (error) {
      complain(error);
      if (error instanceof ApiError && error.retryAfter) wait(Math.ceil(error.retryAfter));
    }
  };

  // Logging in sent us here without a code having been asked for: ask for one.
  const askedFor = useRef(false);
  useEffect(() => {
    if (!known || expected.sent || askedFor.current) return;
    askedFor.current = true;
    expected.sent = true;
    void resend();
  }, []);

  // Sent by itself once complete, but not the same wrong code again and again.
  const tried = useRef("");
  useEffect(() => {
    if (code.length === DIGITS && known && tried.current !== code) {
      tried.current = code;
      sending.submit();
    }
  }, [code]);

  return (
    <Entry
      title={isPhone(email) ? "Verify your number" : "Verify your address"}
      lead={
        known ? (
          <>
            A code of six digits was sent to <strong>{email}</strong>.
          </>
        ) : (
          "Enter your address or phone number, and the code of six digits that was sent to it."
        )
      }
      foot={<a href="/login">Back to the log-in</a>}
    >
      <form class="stack" onSubmit={sending.submit}>
        <FormFault text={sending.rest("email", "phoneNumber", "code")} />
        {!known && (
          <TextField
            label="E-mail address or phone number"
            name="email"
            autocomplete="username"
            required
            value={email}
            onChange={setEmail}
            error={sending.field("email") ?? sending.field("phoneNumber")}
          />
        )}
        <CodeField value={code} onChange={setCode} error={sending.field("code")} />
        <button
          type="submit"
          class="button primary wide"
          disabled={sending.busy || code.length < DIGITS}
        >
          {sending.busy ? "Checking…" : "Verify"}
        </button>
        <button
          type="button"
          class="button plain wide"
          disabled={rest > 0 || !email}
          onClick={() => void resend()}
        >
          {rest > 0 ? `Send another code in ${rest} s` : "Send another code"}
        </button>
      </form>
    </Entry>
  );
}
