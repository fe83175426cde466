import { useRef, useState } from "preact/hooks";
import { createUser, getSignUpPolicy } from "../api/generated";
import { requestId } from "../api/transport";
import { SecretField, SelectField, TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { useLoaded } from "../parts/page";
import { afterwards, navigate } from "../parts/router";
import { logIn } from "../session/session";
import { Entry, FormFault } from "./entry";
import { expectVerification } from "./verify";

const SHORTEST = 10;

const WAYS = [
  ["EMAIL", "by e-mail"],
  ["PHONE", "by SMS, to a phone number"],
] as const;

/** The code of an invitation that a mail has brought: `/signup#invitation=…`. */
const invited = (): string => new URLSearchParams(location.hash.slice(1)).get("invitation") ?? "";

export function SignUp() {
  const [email, setEmail] = useState("");
  const [givenName, setGivenName] = useState("");
  const [familyName, setFamilyName] = useState("");
  const [password, setPassword] = useState("");
  const [verifyBy, setVerifyBy] = useState<"EMAIL" | "PHONE">("EMAIL");
  const [phoneNumber, setPhoneNumber] = useState("");
  const [invitationCode, setInvitationCode] = useState(invited);
  const policy = useLoaded((signal) => getSignUpPolicy({}, { signal }), []);
  const mode = policy.value?.mode ?? (invitationCode ? "INVITE" : "OPEN");
  const byPhone = verifyBy === "PHONE";
  // Another request, once the form has changed: the same id stands for the same request.
  const attempt = useRef({ of: "", id: "" });
  const to = afterwards();
  const sending = useSending(async () => {
    const user = {
      email: email.trim(),
      givenName: givenName.trim(),
      familyName: familyName.trim(),
      phoneNumber: byPhone ? phoneNumber.replace(/[\s()/-]/g, "") : "",
    };
    const code = mode === "INVITE" ? invitationCode.trim() : "";
    const of = JSON.stringify([user, password, verifyBy, code]);
    if (attempt.current.of !== of) attempt.current = { of, id: requestId() };
    const { verificationRequired } = await createUser({
      user,
      password,
      verifyBy,
      invitationCode: code,
      requestId: attempt.current.id,
    });
    const contact = byPhone ? user.phoneNumber : user.email;
    if (verificationRequired) {
      expectVerification(contact, password, { sent: true });
      await navigate(`/verify?to=${encodeURIComponent(to)}`);
    } else {
      await logIn(contact, password);
      await navigate(to, { replace: true });
    }
  });
  const missing = SHORTEST - password.length;
  const foot = (
    <>
      Have an account? <a href={`/login?to=${encodeURIComponent(to)}`}>Log in</a>
    </>
  );
  if (mode === "CLOSED") {
    const lead = "Nobody can sign up here at present. Ask an admin for an account.";
    return (
      <Entry title="Sign up" lead={lead} foot={foot}>
        {null}
      </Entry>
    );
  }
  return (
    <Entry
      title="Sign up"
      lead={
        mode === "INVITE"
          ? "People sign up by invitation here. Use the address that was invited, if one was."
          : "An address and a password are enough. A code shows that the address is yours."
      }
      foot={foot}
    >
      <form class="stack" onSubmit={sending.submit}>
        <FormFault
          text={sending.rest("email", "password", "givenName", "familyName", "phoneNumber")}
        />
        {mode === "INVITE" && (
          <TextField
            label="Code of your invitation"
            name="invitation"
            mono
            required
            maxLength={64}
            spellcheck={false}
            autocomplete="off"
            placeholder="abcde-fghjk-mnpqr-stuvw"
            value={invitationCode}
            onChange={setInvitationCode}
            error={sending.field("invitationCode")}
          />
        )}
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
        <div class="two">
          <TextField
            label="Given name"
            optional
            name="given-name"
            autocomplete="given-name"
            maxLength={100}
            value={givenName}
            onChange={setGivenName}
            error={sending.field("givenName")}
          />
          <TextField
            label="Family name"
            optional
            name="family-name"
            autocomplete="family-name"
            maxLength={100}
            value={familyName}
            onChange={setFamilyName}
            error={sending.field("familyName")}
          />
        </div>
        <SelectField
          label="Send me the code"
          value={verifyBy}
          onChange={(way) => setVerifyBy(way as typeof verifyBy)}
          choices={WAYS}
        />
        {byPhone && (
          <TextField
            label="Phone number"
            name="phone"
            autocomplete="tel"
            required
            maxLength={24}
            placeholder="+49 30 123456"
            hint="With the code of the country. You log in with it until your address is verified too."
            value={phoneNumber}
            onChange={setPhoneNumber}
            error={sending.field("phoneNumber") ?? sending.field("user.phoneNumber")}
          />
        )}
        <SecretField
          label="Password"
          name="password"
          autocomplete="new-password"
          required
          minLength={SHORTEST}
          maxLength={256}
          value={password}
          onChange={setPassword}
          error={sending.field("password")}
          hint={
            password && missing > 0
              ? `${missing} more ${missing === 1 ? "character" : "characters"}`
              : `At least ${SHORTEST} characters. A few words in a row are easy to remember.`
          }
        />
        <button type="submit" class="button primary wide" disabled={sending.busy}>
          {sending.busy ? "Signing up…" : "Sign up"}
        </button>
      </form>
    </Entry>
  );
}
