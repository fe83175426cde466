import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/faults";
import { sendVerificationCode, verifyUser } from "../api/generated";
import { TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { afterwards, navigate } from "../parts/router";
import { complain, say } from "../parts/toasts";
import { logIn } from "../session/session";
import { Entry, FormFault } from "./entry";

const DIGITS = 6;
/** How long a code is not sent again, as far as this page knows before the server has said so. */
const REST_SECONDS = 60;

// Kept in memory between the pages only, so that the log-in need not be typed twice.
let expected = { email: "", password: "", sent: false };

/** Remembers who has to be verified, and with which password to log in then. */
export function expectVerification(email: string, password: string, { sent = false } = {}): void {
  expected = { email, password, sent };
}

export function Verify() {
  const [email, setEmail] = useState(expected.email);
  const [code, setCode] = useState("");
  const [rest, wait] = useCountdown(expected.sent ? REST_SECONDS : 0);
  const known = Boolean(expected.email);
  const to = afterwards();

  const sending = useSending(async () => {
    await verifyUser({ email: email.trim(), code });
    const { password } = expected;
    expected = { email: "", password: "", sent: false };
    say("Your address is verified.");
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
      await sendVerificationCode({ email: email.trim() });
      say("A new code is on its way.");
      wait(REST_SECONDS);
    } catch (error) {
      complain(error);
      if (error instanceof ApiError && error.retryAfter) wait(Math.ceil(error.retryAfter));
    }
  };

  // Logging in sent us here without a code having been asked for: ask for one.
  const asked = useRef(false);
  useEffect(() => {
    if (!known || expected.sent || asked.current) return;
    asked.current = true;
    expected.sent = true;
    void resend();
  }, []);

  const enter = (typed: string) => {
    const digits = typed.replace(/\D/g, "").slice(0, DIGITS);
    setCode(digits);
  };
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
      title="Verify your address"
      lead={
        known ? (
          <>
            A code of six digits was sent to <strong>{email}</strong>.
          </>
        ) : (
          "Enter your address and the code of six digits that was sent to it."
        )
      }
      foot={<a href="/login">Back to the log-in</a>}
    >
      <form class="stack" onSubmit={sending.submit}>
        <FormFault text={sending.rest("email", "code")} />
        {!known && (
          <TextField
            label="E-mail address"
            type="email"
            name="email"
            autocomplete="username"
            required
            value={email}
            onChange={setEmail}
            error={sending.field("email")}
          />
        )}
        <CodeField value={code} onChange={enter} error={sending.field("code")} />
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

/** One input that looks like six: pasting, filling in and screen readers work as with any other. */
function CodeField({
  value,
  onChange,
  error,
}: {
  value: string;
  onChange: (value: string) => void;
  error: string | undefined;
}) {
  return (
    <div class={error ? "field wrong" : "field"}>
      <label for="code">Code</label>
      <div class="code">
        {Array.from({ length: DIGITS }, (_, at) => (
          <span key={at} class={at === value.length ? "digit next" : "digit"} aria-hidden="true">
            {value[at] ?? ""}
          </span>
        ))}
        <input
          id="code"
          name="code"
          inputMode="numeric"
          autocomplete="one-time-code"
          autofocus
          required
          value={value}
          aria-invalid={Boolean(error)}
          aria-describedby={error ? "code-note" : undefined}
          onInput={(event) => {
            onChange(event.currentTarget.value);
            event.currentTarget.value = event.currentTarget.value
              .replace(/\D/g, "")
              .slice(0, DIGITS);
          }}
        />
      </div>
      {error && (
        <div class="note error" id="code-note" role="alert">
          {error}
        </div>
      )}
    </div>
  );
}

function useCountdown(from: number): [seconds: number, start: (seconds: number) => void] {
  const [end, setEnd] = useState(() => Date.now() + from * 1000);
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const start = (seconds: number) => {
    setNow(Date.now());
    setEnd(Date.now() + seconds * 1000);
  };
  return [Math.max(0, Math.ceil((end - now) / 1000)), start];
}
