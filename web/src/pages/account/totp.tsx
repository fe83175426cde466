// The second factor of one's own account: an authenticator app, and recovery codes.

import { useState } from "preact/hooks";
import { ApiError, sentence } from "../../api/faults";
import {
  confirmTotp,
  type EnrollTotpResponse,
  enrollTotp,
  getTotp,
  removeTotp,
  type Totp,
} from "../../api/generated";
import { CodeField, DIGITS } from "../../parts/code";
import { CopyButton, copyText } from "../../parts/copy";
import { saveFile } from "../../parts/download";
import { SecretField } from "../../parts/field";
import { useSending } from "../../parts/form";
import { Trouble, useLoaded, Waiting } from "../../parts/page";
import { complain, say } from "../../parts/toasts";
import { When } from "../../parts/when";
import { FormFault } from "../entry";

type Step = "idle" | "password" | "remove";

const FEW = 3;

export function SecondFactor() {
  const totp = useLoaded((signal) => getTotp({ name: "users/me/totp" }, { signal }), []);
  const [step, setStep] = useState<Step>("idle");
  const [secret, setSecret] = useState<EnrollTotpResponse | undefined>(undefined);
  const [codes, setCodes] = useState<readonly string[]>([]);
  const begin = () => {
    setStep("idle");
    totp.again();
  };
  return (
    <section class="panel" aria-labelledby="second-factor">
      <h2 id="second-factor">Second factor</h2>
      {totp.error !== undefined && <Trouble error={totp.error} again={totp.again} />}
      {!totp.value && totp.error === undefined && <Waiting />}
      {codes.length > 0 ? (
        <RecoveryCodes codes={codes} onDone={() => setCodes([])} />
      ) : secret ? (
        <Scan
          secret={secret}
          onCancel={() => setSecret(undefined)}
          onDone={(made) => {
            setSecret(undefined);
            setCodes(made);
            begin();
          }}
        />
      ) : step === "password" ? (
        <ByPassword
          label="Go on"
          text="To begin, show that it is you."
          onCancel={() => setStep("idle")}
          work={async (password) => {
            setSecret(await enrollTotp({ name: "users/me", password }));
            setStep("idle");
          }}
        />
      ) : step === "remove" ? (
        <ByPassword
          label="Remove it"
          text="From then on a log-in needs the password alone, and the recovery codes are void."
          danger
          onCancel={() => setStep("idle")}
          work={async (password) => {
            await removeTotp({ name: "users/me", password });
            say("The second factor is removed.");
            begin();
          }}
        />
      ) : (
        totp.value && <State totp={totp.value} onStep={setStep} />
      )}
    </section>
  );
}

function State({ totp, onStep }: { totp: Totp; onStep: (step: Step) => void }) {
  if (totp.state !== "ACTIVE") {
    return (
      <div class="row between wrap">
        <p class="muted grow">
          With an authenticator app, a stolen password alone does not open your account.
        </p>
        <button type="button" class="button" onClick={() => onStep("password")}>
          Set it up
        </button>
      </div>
    );
  }
  const left = totp.recoveryCodesLeft;
  return (
    <div class="row between wrap">
      <div class="grow">
        <p>
          <span class="tag good">on</span> <span class="muted">since</span>{" "}
          <When time={totp.confirmTime} />
        </p>
        <p class={left <= FEW ? "note warn" : "note"}>
          {left === 1 ? "1 recovery code is left." : `${left} recovery codes are left.`}
          {left <= FEW && " Remove the second factor and set it up again to get ten new ones."}
        </p>
      </div>
      <button type="button" class="button danger-quiet" onClick={() => onStep("remove")}>
        Remove…
      </button>
    </div>
  );
}

/** Something that needs the password again. */
function ByPassword({
  label,
  text,
  danger = false,
  work,
  onCancel,
}: {
  label: string;
  text: string;
  danger?: boolean;
  work: (password: string) => Promise<void>;
  onCancel: () => void;
}) {
  const [password, setPassword] = useState("");
  const sending = useSending(() => work(password));
  const wrong = sending.error instanceof ApiError && sending.error.reason === "PASSWORD_WRONG";
  return (
    <form class="stack" onSubmit={sending.submit}>
      <p class="muted">{text}</p>
      {!wrong && <FormFault text={sending.rest("password")} />}
      <SecretField
        label="Your password"
        name="password"
        autocomplete="current-password"
        autofocus
        required
        value={password}
        onChange={setPassword}
        error={sending.field("password") ?? (wrong ? sentence(sending.error) : undefined)}
      />
      <div class="row end">
        <button type="button" class="button" onClick={onCancel}>
          Cancel
        </button>
        <button
          type="submit"
          class={`button ${danger ? "danger" : "primary"}`}
          disabled={sending.busy || !password}
        >
          {label}
        </button>
      </div>
    </form>
  );
}

function Scan({
  secret,
  onDone,
  onCancel,
}: {
  secret: EnrollTotpResponse;
  onDone: (codes: readonly string[]) => void;
  onCancel: () => void;
}) {
  const [code, setCode] = useState("");
  const sending = useSending(async () => {
    const answer = await confirmTotp({ name: "users/me", totpCode: code });
    onDone(answer.recoveryCodes);
  });
  const picture = `data:image/svg+xml,${encodeURIComponent(secret.qrSvg)}`;
  return (
    <form class="stack" onSubmit={sending.submit}>
      <div class="scan">
        <img
          class="qr"
          src={picture}
          alt="The secret as a QR code, for the camera of an authenticator app"
          width="176"
          height="176"
        />
        <div class="stack tight">
          <p>Scan this with your authenticator app, then enter the code that the app shows.</p>
          <div class="pair">
            <span class="muted small">Nothing to scan with? Type this:</span>
            <span class="row">
              <code class="secret" data-secret>
                {secret.secret.replace(/(.{4})(?=.)/g, "$1 ")}
              </code>
              <CopyButton text={secret.secret} label="Copy the secret" />
            </span>
          </div>
        </div>
      </div>
      <FormFault text={sending.rest("totpCode")} />
      <div class="code-box">
        <CodeField
          value={code}
          onChange={setCode}
          label="Code of the app"
          error={sending.field("totpCode")}
        />
      </div>
      <div class="row end">
        <button type="button" class="button" onClick={onCancel}>
          Cancel
        </button>
        <button
          type="submit"
          class="button primary"
          disabled={sending.busy || code.length < DIGITS}
        >
          Turn it on
        </button>
      </div>
    </form>
  );
}

function RecoveryCodes({ codes, onDone }: { codes: readonly string[]; onDone: () => void }) {
  const text = `${codes.join("\n")}\n`;
  const copy = () =>
    copyText(text)
      .then(() => say("Copied."))
      .catch(complain);
  return (
    <div class="stack">
      <p>
        <strong>Keep these recovery codes.</strong> Each opens your account once, where your device
        is lost. They are not shown again.
      </p>
      <ol class="recovery" data-recovery>
        {codes.map((code) => (
          <li key={code} class="mono">
            {code}
          </li>
        ))}
      </ol>
      <div class="row end wrap">
        <button type="button" class="button" onClick={() => void copy()}>
          Copy
        </button>
        <button
          type="button"
          class="button"
          onClick={() => saveFile("allocator-recovery-codes.txt", text)}
        >
          Download
        </button>
        <button type="button" class="button primary" onClick={onDone}>
          I have kept them
        </button>
      </div>
    </div>
  );
}
