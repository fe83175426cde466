// For admins: everybody who has an account.

import { useState } from "preact/hooks";
import {
  disableUser,
  enableUser,
  grantRole,
  listUsers,
  revokeRole,
  type User,
} from "../../api/generated";
import { asked, confirmed } from "../../parts/dialog";
import { joined, quoted } from "../../parts/filter";
import { idOf } from "../../parts/machines";
import { Empty, Waiting } from "../../parts/page";
import { More, usePaged } from "../../parts/paged";
import { complain, say } from "../../parts/toasts";
import { SearchField } from "../../parts/typing";
import { When } from "../../parts/when";
import { person } from "../../session/session";
import { AdminFrame } from "./page";
import { QuotaDialog } from "./quota";

const SHOWN = [
  ["", "Everybody"],
  ["role = ADMIN", "Admins"],
  ["state = DISABLED", "Disabled"],
  ["verified = false", "Not verified"],
] as const;

export function PeoplePage() {
  const [shown, setShown] = useState<string>("");
  const [wanted, setWanted] = useState("");
  const filter = joined(shown, wanted.trim() && `email : ${quoted(wanted.trim())}`);
  const list = usePaged(
    async (pageToken, signal) => {
      const answer = await listUsers({ filter, pageSize: 50, pageToken }, { signal });
      return { items: answer.users, nextPageToken: answer.nextPageToken };
    },
    [filter],
  );
  const replace = (changed: User) =>
    list.change((all) => all.map((one) => (one.name === changed.name ? changed : one)));
  return (
    <AdminFrame title="People">
      <div class="tools">
        <div class="segments" role="group" aria-label="Which people">
          {SHOWN.map(([value, label]) => (
            <button
              key={value}
              type="button"
              aria-pressed={shown === value}
              onClick={() => setShown(value)}
            >
              {label}
            </button>
          ))}
        </div>
        <SearchField label="Search e-mail addresses" value={wanted} onChange={setWanted} />
      </div>
      {!list.items && list.busy && <Waiting />}
      {list.items?.length === 0 && <Empty icon="user" title="Nobody fits" />}
      {list.items && list.items.length > 0 && (
        <div class="table-box" aria-busy={list.busy}>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Person</th>
                <th scope="col">State</th>
                <th scope="col">Signed up</th>
                <th scope="col">
                  <span class="out-of-sight">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {list.items.map((user) => (
                <Line key={user.name} user={user} onChange={replace} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <More list={list} />
    </AdminFrame>
  );
}

function Line({ user, onChange }: { user: User; onChange: (user: User) => void }) {
  const called = [user.givenName, user.familyName].filter(Boolean).join(" ");
  const self = user.name === person.value?.name;
  return (
    <tr data-name={user.name}>
      <td>
        <div class="cell-name">
          <span class="initial" aria-hidden="true">
            {(called || user.email || "?").slice(0, 1).toUpperCase()}
          </span>
          <div>
            <div class="strong">
              {user.email || user.phoneNumber} {self && <span class="tag">you</span>}
            </div>
            <div class="faint small">
              {called && `${called} · `}
              <span class="mono">{idOf(user.name)}</span>
            </div>
          </div>
        </div>
      </td>
      <td>
        <div class="row wrap tags">
          {user.state === "DISABLED" ? (
            <span class="tag bad" title={user.disableReason}>
              disabled
            </span>
          ) : (
            <span class="tag good">active</span>
          )}
          {user.roles.includes("ADMIN") && <span class="tag accent">admin</span>}
          {!user.verified && <span class="tag warn">not verified</span>}
        </div>
        {user.disableReason && <div class="small muted cell-why">{user.disableReason}</div>}
      </td>
      <td class="cell-when small muted">
        <When time={user.createTime} />
      </td>
      <td class="cell-actions">
        <Actions user={user} onChange={onChange} />
      </td>
    </tr>
  );
}

function Actions({ user, onChange }: { user: User; onChange: (user: User) => void }) {
  const [busy, setBusy] = useState(false);
  const [quota, setQuota] = useState(false);
  const { name } = user;
  const who = user.email || user.phoneNumber || name;
  const admin = user.roles.includes("ADMIN");
  const run = async (work: () => Promise<User>, done: string) => {
    setBusy(true);
    try {
      onChange(await work());
      say(done);
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  const disable = async () => {
    const reason = await asked(`Disable ${who}?`, {
      label: "Why",
      hint: "They read this when they try to log in. Their sessions and consoles end within seconds.",
      send: "Disable",
      most: 500,
      optional: true,
    });
    if (reason === undefined) return;
    await run(() => disableUser({ name, reason }), `${who} is disabled.`);
  };
  const grant = async () => {
    const text = "Admins see and change everything, and make others admins.";
    if (!(await confirmed(`Make ${who} an admin?`, text, "Make an admin"))) return;
    await run(() => grantRole({ name, role: "ADMIN" }), `${who} is an admin.`);
  };
  const revoke = async () => {
    const text = "Their open sessions lose the role within seconds.";
    if (!(await confirmed(`Take the role from ${who}?`, text, "Take it"))) return;
    await run(() => revokeRole({ name, role: "ADMIN" }), `${who} is no longer an admin.`);
  };
  const enable = () => run(() => enableUser({ name }), `${who} can log in again.`);
  return (
    <div class="actions" role="group" aria-label={`Actions on ${who}`}>
      {quota && <QuotaDialog user={user} onClose={() => setQuota(false)} />}
      <button type="button" class="button small" onClick={() => setQuota(true)}>
        Quota
      </button>
      <button
        type="button"
        class="button small"
        disabled={busy}
        onClick={() => void (admin ? revoke() : grant())}
      >
        {admin ? "Take admin role" : "Make admin"}
      </button>
      {user.state === "DISABLED" ? (
        <button type="button" class="button small" disabled={busy} onClick={() => void enable()}>
          Enable
        </button>
      ) : (
        <button
          type="button"
          class="button small danger-quiet"
          disabled={busy}
          onClick={() => void disable()}
        >
          Disable…
        </button>
      )}
    </div>
  );
}
