import { useState } from "preact/hooks";
import { ApiError } from "../api/faults";
import { CodeField, DIGITS } from "../parts/code";
import { SecretField, TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { afterwards, navigate, place } from "../parts/router";
import { logIn, type SecondFactor } from "../session/session";
import { Entry, FormFault } from "./entry";
import { expectVerification } from "./verify";

/** What the log-in asks for: at first the password, then, where there is a second factor, that too. */
type Step = "password" | "code" | "recovery";

export function LogIn() {
  const [email, setEmail] = useState(place.value.query.get("email") ?? "");
  const [password, setPassword] = useState("");
  const [step, setStep] = useState<Step>("password");
  const to = afterwards();

  const enter = async (second?: SecondFactor) => {
    try {
      await logIn(email.trim(), password, second);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.reason === "TOTP_REQUIRED" && step === "password") {
        setStep("code");
        return;
      }
      if (error.reason !== "USER_NOT_VERIFIED") throw error;
      expectVerification(email.trim(), password);
      await navigate(`/verify?to=${encodeURIComponent(to)}`);
      return;
    }
    await navigate(to, { replace: true });
  };

  if (step !== "password") {
    return <Second step={step} onStep={setStep} enter={enter} />;
  }
  return (
    <Password
      email={email}
      setEmail={setEmail}
      password={password}
      setPassword={setPassword}
      enter={enter}
      to={to}
    />
  );
}

function Password({
  email,
  setEmail,
  password,
  setPassword,
  enter,
  to,
}: {
  email: string;
  setEmail: (email: string) => void;
  password: string;
  setPassword: (password: string) => void;
  enter: () => Promise<void>;
  to: string;
}) {
  const sending = useSending(() => enter());
  const forgotten = email ? `/reset?email=${encodeURIComponent(email.trim())}` : "/reset";
  return (
    <Entry
      title="Log in"
      foot={
        <>
          New here? <a href={`/signup?to=${encodeURIComponent(to)}`}>Sign up</a>
        </>
      }
    >
      <form class="stack" onSubmit={sending.submit}>
        <FormFault text={sending.rest("email", "password")} />
        <TextField
          label="E-mail address"
          type="email"
          name="email"
          autocomplete="username"
          autofocus
          required
          value={email}
          onChange={setEmail}
          error={sending.field("email")}
        />
        <SecretField
          label="Password"
          name="password"
          autocomplete="current-password"
          required
          value={password}
          onChange={setPassword}
          error={sending.field("password")}
        />
        <button type="submit" class="button primary wide" disabled={sending.busy}>
          {sending.busy ? "Logging in…" : "Log in"}
        </button>
        <p class="aside-link small">
          <a href={forgotten}>Forgotten your password?</a>
        </p>
      </form>
    </Entry>
  );
}

/** The code of the authenticator app, or one of the recovery codes. */
function Second({
  step,
  onStep,
  enter,
}: {
  step: "code" | "recovery";
  onStep: (step: Step) => void;
  enter: (second: SecondFactor) => Promise<void>;
}) {
  const [code, setCode] = useState("");
  const [recovery, setRecovery] = useState("");
  const byCode = step === "code";
  const sending = useSending(async () => {
    try {
      await enter(byCode ? { totpCode: code } : { recoveryCode: recovery.trim() });
    } catch (error) {
      setCode("");
      throw error;
    }
  });
  const swap = () => {
    sending.fail(undefined);
    onStep(byCode ? "recovery" : "code");
  };
  return (
    <Entry
      title="Second factor"
      lead={
        byCode
          ? "Enter the code that your authenticator app shows now."
          : "Enter one of the recovery codes that you have kept. It works once."
      }
      foot={
        <button type="button" class="link" onClick={() => onStep("password")}>
          Back to the password
        </button>
      }
    >
      <form class="stack" onSubmit={sending.submit}>
        <FormFault text={sending.rest("totpCode", "recoveryCode")} />
        {byCode ? (
          <CodeField key="code" value={code} onChange={setCode} error={sending.field("totpCode")} />
        ) : (
          <TextField
            key="recovery"
            label="Recovery code"
            name="recovery-code"
            autocomplete="off"
            autofocus
            required
            mono
            spellcheck={false}
            maxLength={40}
            value={recovery}
            onChange={setRecovery}
            error={sending.field("recoveryCode")}
          />
        )}
        <button
          type="submit"
          class="button primary wide"
          disabled={sending.busy || (byCode ? code.length < DIGITS : !recovery.trim())}
        >
          {sending.busy ? "Logging in…" : "Log in"}
        </button>
        <button type="button" class="button plain wide" onClick={swap}>
          {byCode ? "Use a recovery code" : "Use the authenticator app"}
        </button>
      </form>
    </Entry>
  );
}
