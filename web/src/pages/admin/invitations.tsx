// For admins: who may sign up where that is by invitation.

import { useState } from "preact/hooks";
import {
  createInvitation,
  deleteInvitation,
  getSignUpPolicy,
  type Invitation,
  listInvitations,
} from "../../api/generated";
import { CopyButton } from "../../parts/copy";
import { confirmed } from "../../parts/dialog";
import { SelectField, TextField } from "../../parts/field";
import { useSending } from "../../parts/form";
import { Icon } from "../../parts/icons";
import { idOf } from "../../parts/machines";
import { Empty, useLoaded, Waiting } from "../../parts/page";
import { More, usePaged } from "../../parts/paged";
import { complain, say } from "../../parts/toasts";
import { When } from "../../parts/when";
import { endAfter } from "../account/scopes";
import { FormFault } from "../entry";
import { AdminFrame } from "./page";

const DAYS = [
  ["1", "a day"],
  ["7", "7 days"],
  ["30", "30 days"],
  ["90", "90 days"],
] as const;

const LANGUAGES = [
  ["en", "English"],
  ["de", "German"],
] as const;

const MODES = {
  OPEN: "Everybody can sign up here, also without an invitation.",
  INVITE: "People sign up by invitation here.",
  CLOSED: "Nobody can sign up here at present, also not with an invitation.",
  MODE_UNSPECIFIED: "",
} as const;

const linkTo = (code: string): string => `${location.origin}/signup#invitation=${code}`;

export function InvitationsPage() {
  const policy = useLoaded((signal) => getSignUpPolicy({}, { signal }), []);
  const list = usePaged(async (pageToken, signal) => {
    const answer = await listInvitations({ pageSize: 50, pageToken }, { signal });
    return { items: answer.invitations, nextPageToken: answer.nextPageToken };
  }, []);
  const [making, setMaking] = useState(false);
  const [fresh, setFresh] = useState<Invitation | undefined>(undefined);
  const withdraw = async (one: Invitation) => {
    const text = "Nobody can sign up with it any more. Who has keeps the account.";
    if (!(await confirmed(`Withdraw the invitation ${calledOf(one)}?`, text, "Withdraw"))) return;
    try {
      await deleteInvitation({ name: one.name });
      list.change((all) => all.filter(({ name }) => name !== one.name));
      if (fresh?.name === one.name) setFresh(undefined);
      say("The invitation is withdrawn.");
    } catch (error) {
      complain(error);
    }
  };
  const action = !making && (
    <button type="button" class="button primary" onClick={() => setMaking(true)}>
      <Icon name="plus" />
      Invite
    </button>
  );
  return (
    <AdminFrame title="Invitations" actions={action}>
      {policy.value && <p class="muted">{MODES[policy.value.mode]}</p>}
      {making && (
        <Make
          onCancel={() => setMaking(false)}
          onMade={(one) => {
            setMaking(false);
            setFresh(one);
            list.change((all) => [one, ...all]);
          }}
        />
      )}
      {fresh && <Fresh one={fresh} onDone={() => setFresh(undefined)} />}
      {!list.items && list.busy && <Waiting />}
      {list.items?.length === 0 && !making && (
        <Empty icon="user" title="Nobody is invited">
          <p>An invitation grants no role. It is for one address, or for who has its code.</p>
        </Empty>
      )}
      {list.items && list.items.length > 0 && (
        <div class="table-box" aria-busy={list.busy}>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">For</th>
                <th scope="col">State</th>
                <th scope="col">Used</th>
                <th scope="col">Ends</th>
                <th scope="col">
                  <span class="out-of-sight">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {list.items.map((one) => (
                <tr key={one.name} data-name={one.name}>
                  <td>
                    <div class="strong">{calledOf(one)}</div>
                    <div class="faint small">
                      {one.email && one.title ? `${one.title} · ` : ""}
                      <span class="mono">{idOf(one.name)}</span>
                    </div>
                  </td>
                  <td>
                    <StateTag one={one} />
                  </td>
                  <td>
                    {one.useCount} of {one.maxUses}
                  </td>
                  <td class="cell-when small muted">
                    <When time={one.expireTime} />
                  </td>
                  <td class="cell-actions">
                    <button
                      type="button"
                      class="button small danger-quiet"
                      aria-label={`Withdraw ${calledOf(one)}`}
                      onClick={() => void withdraw(one)}
                    >
                      Withdraw
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <More list={list} />
    </AdminFrame>
  );
}

const calledOf = (one: Invitation): string => one.email || one.title || "anybody with the code";

function StateTag({ one }: { one: Invitation }) {
  if (one.state === "USED_UP") return <span class="tag">used</span>;
  if (one.state === "ENDED") return <span class="tag warn">ended</span>;
  return <span class="tag good">open</span>;
}

function Fresh({ one, onDone }: { one: Invitation; onDone: () => void }) {
  const link = linkTo(one.code);
  return (
    <div class="once" role="status">
      <p>
        {one.email ? (
          <>
            The invitation is on its way to <strong>{one.email}</strong>. You can also give them
            this link, which is not shown again.
          </>
        ) : (
          <>The invitation is made. Copy its link now: it is not shown again.</>
        )}
      </p>
      <div class="row">
        <code class="secret grow" data-invitation={one.code}>
          {link}
        </code>
        <CopyButton text={link} label="Copy the link" />
      </div>
      <div class="row end">
        <button type="button" class="button small" onClick={onDone}>
          I have kept it
        </button>
      </div>
    </div>
  );
}

function Make({ onMade, onCancel }: { onMade: (one: Invitation) => void; onCancel: () => void }) {
  const [email, setEmail] = useState("");
  const [title, setTitle] = useState("");
  const [uses, setUses] = useState("1");
  const [days, setDays] = useState("7");
  const [languageCode, setLanguageCode] = useState("en");
  const forOne = email.trim() !== "";
  const sending = useSending(async () => {
    const invitation = {
      email: email.trim(),
      title: title.trim(),
      maxUses: forOne ? 1 : Math.trunc(Number(uses)) || 1,
      languageCode: forOne ? languageCode : "",
      expireTime: endAfter(Number(days), Date.now()),
    };
    onMade(await createInvitation({ invitation }));
  });
  return (
    <form class="panel stack" onSubmit={sending.submit}>
      <FormFault text={sending.rest("email", "title", "maxUses", "expireTime")} />
      <div class="two">
        <TextField
          label="E-mail address"
          optional
          type="email"
          name="email"
          autofocus
          maxLength={254}
          hint="Only this address can sign up with it, and gets the code. Empty for who has the code."
          value={email}
          onChange={setEmail}
          error={sending.field("email")}
        />
        <TextField
          label="Whom it is for"
          optional
          name="title"
          maxLength={100}
          placeholder="the course of 2027"
          value={title}
          onChange={setTitle}
          error={sending.field("title")}
        />
      </div>
      <div class="two">
        {forOne ? (
          <SelectField
            label="Language of the mail"
            value={languageCode}
            onChange={setLanguageCode}
            choices={LANGUAGES}
          />
        ) : (
          <TextField
            label="How many can sign up with it"
            type="number"
            min={1}
            max={1000}
            name="uses"
            value={uses}
            onChange={setUses}
            error={sending.field("maxUses")}
          />
        )}
        <SelectField
          label="It ends after"
          value={days}
          onChange={setDays}
          choices={DAYS}
          error={sending.field("expireTime")}
        />
      </div>
      <div class="row end">
        <button type="button" class="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" class="button primary" disabled={sending.busy}>
          {sending.busy ? "Inviting…" : "Make the invitation"}
        </button>
      </div>
    </form>
  );
}
