import { useState } from "preact/hooks";
import { ApiError } from "../api/faults";
import {
  changePassword,
  deleteSession,
  getUser,
  listSessions,
  type Session,
  updateUser,
} from "../api/generated";
import { ask, confirmed } from "../parts/dialog";
import { SecretField, TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { Page, Trouble, useLoaded, Waiting } from "../parts/page";
import { navigate } from "../parts/router";
import { complain, say } from "../parts/toasts";
import { When } from "../parts/when";
import { logOut, person, setPerson } from "../session/session";
import { FormFault } from "./entry";

export function AccountPage() {
  return (
    <Page title="Account" narrow>
      <Names />
      <Password />
      <Sessions />
    </Page>
  );
}

function Names() {
  const user = person.value;
  const [givenName, setGivenName] = useState(user?.givenName ?? "");
  const [familyName, setFamilyName] = useState(user?.familyName ?? "");
  const sending = useSending(async () => {
    if (!user) return;
    const changed = { name: user.name, givenName: givenName.trim(), familyName: familyName.trim() };
    const save = (etag: string) =>
      updateUser({ user: { ...changed, etag }, updateMask: "givenName,familyName" });
    try {
      setPerson(await save(user.etag));
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== "ETAG_STALE") throw error;
      const theirs = await getUser({ name: "users/me" });
      setPerson(theirs);
      const name = `${theirs.givenName} ${theirs.familyName}`.trim() || "(empty)";
      const chosen = await ask("Your account was changed elsewhere", `The name is now ${name}.`, [
        { answer: "mine", label: "Save mine", look: "primary" },
      ]);
      if (chosen !== "mine") return;
      setPerson(await save(theirs.etag));
    }
    say("Saved.");
  });
  const same = givenName === user?.givenName && familyName === user?.familyName;
  return (
    <section class="panel" aria-labelledby="names">
      <h2 id="names">You</h2>
      <form class="stack" onSubmit={sending.submit}>
        <FormFault text={sending.rest("givenName", "familyName")} />
        <div class="pair">
          <span class="muted">E-mail address</span>
          <span>
            {user?.email} {user?.verified && <span class="tag good">verified</span>}
          </span>
        </div>
        <div class="two">
          <TextField
            label="Given name"
            name="given-name"
            autocomplete="given-name"
            maxLength={100}
            value={givenName}
            onChange={setGivenName}
            error={sending.field("givenName")}
          />
          <TextField
            label="Family name"
            name="family-name"
            autocomplete="family-name"
            maxLength={100}
            value={familyName}
            onChange={setFamilyName}
            error={sending.field("familyName")}
          />
        </div>
        <div class="row end">
          <button type="submit" class="button primary" disabled={sending.busy || same}>
            Save
          </button>
        </div>
      </form>
    </section>
  );
}

function Password() {
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

function Sessions() {
  const list = useLoaded((signal) => listSessions({ pageSize: 100 }, { signal }), []);
  const revoke = async (session: Session) => {
    try {
      if (session.current) {
        await logOut();
        await navigate("/login");
        return;
      }
      await deleteSession({ name: session.name });
      list.again();
    } catch (error) {
      complain(error);
    }
  };
  const everywhere = async () => {
    const sure = await confirmed(
      "Log out everywhere?",
      "Every session ends, this one too.",
      "Log out everywhere",
    );
    if (!sure) return;
    try {
      await deleteSession({ name: "sessions/-" });
      await logOut().catch(() => undefined);
      await navigate("/login");
    } catch (error) {
      complain(error);
    }
  };
  return (
    <section class="panel" aria-labelledby="sessions">
      <div class="row between">
        <h2 id="sessions">Sessions</h2>
        <button type="button" class="button small danger-quiet" onClick={() => void everywhere()}>
          Log out everywhere
        </button>
      </div>
      {list.error !== undefined && <Trouble error={list.error} again={list.again} />}
      {!list.value && list.error === undefined && <Waiting />}
      <ul class="lines">
        {list.value?.sessions.map((session) => (
          <li key={session.name} class="row between">
            <div>
              <div>
                {browserName(session.userAgent)}{" "}
                {session.current && <span class="tag good">this one</span>}
              </div>
              <div class="small muted">
                {session.address} · seen <When time={session.refreshTime ?? session.createTime} />
              </div>
            </div>
            <button type="button" class="button small" onClick={() => void revoke(session)}>
              Log out
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Edg\//, "Edge"],
  [/Firefox\//, "Firefox"],
  [/Chrom(e|ium)\//, "Chrome"],
  [/Safari\//, "Safari"],
];
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/Android/, "Android"],
  [/iPhone|iPad/, "iOS"],
  [/Windows/, "Windows"],
  [/Mac OS/, "macOS"],
  [/Linux/, "Linux"],
];

/** A browser by a name that people know; other programs by their own words. */
function browserName(agent: string): string {
  const find = (names: typeof BROWSERS) => names.find(([pattern]) => pattern.test(agent))?.[1];
  const browser = find(BROWSERS);
  return browser
    ? `${browser} on ${find(SYSTEMS) ?? "an unknown system"}`
    : agent || "Unknown program";
}
