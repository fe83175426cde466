import { useState } from "preact/hooks";
import { ApiError } from "../api/faults";
import { SecretField, TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { afterwards, navigate, place } from "../parts/router";
import { logIn } from "../session/session";
import { Entry, FormFault } from "./entry";
import { expectVerification } from "./verify";

export function LogIn() {
  const [email, setEmail] = useState(place.value.query.get("email") ?? "");
  const [password, setPassword] = useState("");
  const to = afterwards();
  const sending = useSending(async () => {
    try {
      await logIn(email.trim(), password);
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== "USER_NOT_VERIFIED") throw error;
      expectVerification(email.trim(), password);
      await navigate(`/verify?to=${encodeURIComponent(to)}`);
      return;
    }
    await navigate(to, { replace: true });
  });
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
      </form>
    </Entry>
  );
}
