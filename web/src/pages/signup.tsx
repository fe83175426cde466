import { useRef, useState } from "preact/hooks";
import { createUser } from "../api/generated";
import { requestId } from "../api/transport";
import { SecretField, TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { afterwards, navigate } from "../parts/router";
import { logIn } from "../session/session";
import { Entry, FormFault } from "./entry";
import { expectVerification } from "./verify";

const SHORTEST = 10;

export function SignUp() {
  const [email, setEmail] = useState("");
  const [givenName, setGivenName] = useState("");
  const [familyName, setFamilyName] = useState("");
  const [password, setPassword] = useState("");
  // Another request, once the form has changed: the same id stands for the same request.
  const attempt = useRef({ of: "", id: "" });
  const to = afterwards();
  const sending = useSending(async () => {
    const user = {
      email: email.trim(),
      givenName: givenName.trim(),
      familyName: familyName.trim(),
    };
    const of = JSON.stringify([user, password]);
    if (attempt.current.of !== of) attempt.current = { of, id: requestId() };
    const { verificationRequired } = await createUser({
      user,
      password,
      requestId: attempt.current.id,
    });
    if (verificationRequired) {
      expectVerification(user.email, password, { sent: true });
      await navigate(`/verify?to=${encodeURIComponent(to)}`);
    } else {
      await logIn(user.email, password);
      await navigate(to, { replace: true });
    }
  });
  const missing = SHORTEST - password.length;
  return (
    <Entry
      title="Sign up"
      lead="An address and a password are enough. A code shows that the address is yours."
      foot={
        <>
          Have an account? <a href={`/login?to=${encodeURIComponent(to)}`}>Log in</a>
        </>
      }
    >
      <form class="stack" onSubmit={sending.submit}>
        <FormFault text={sending.rest("email", "password", "givenName", "familyName")} />
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
