// Personal access tokens: what programs use in one's name.

import { useState } from "preact/hooks";
import {
  type AccessToken,
  createAccessToken,
  deleteAccessToken,
  listAccessTokens,
} from "../../api/generated";
import { CopyButton } from "../../parts/copy";
import { confirmed } from "../../parts/dialog";
import { SelectField, TextField } from "../../parts/field";
import { useSending } from "../../parts/form";
import { Icon } from "../../parts/icons";
import { Empty, Waiting } from "../../parts/page";
import { More, usePaged } from "../../parts/paged";
import { complain, say } from "../../parts/toasts";
import { When } from "../../parts/when";
import { isAdmin } from "../../session/session";
import { FormFault } from "../entry";
import { AccountFrame } from "./page";
import { endAfter, NOUNS, type Scopes, scopeList } from "./scopes";

const DAYS = [
  ["7", "7 days"],
  ["30", "30 days"],
  ["90", "90 days"],
  ["365", "a year"],
] as const;

export function TokensPage() {
  const list = usePaged(async (pageToken, signal) => {
    const answer = await listAccessTokens({ pageSize: 50, pageToken }, { signal });
    return { items: answer.accessTokens, nextPageToken: answer.nextPageToken };
  }, []);
  const [making, setMaking] = useState(false);
  const [fresh, setFresh] = useState<AccessToken | undefined>(undefined);

  const remove = async (token: AccessToken) => {
    const text = "Programs that use it are refused within seconds.";
    if (!(await confirmed(`Delete ${token.title}?`, text, "Delete"))) return;
    try {
      await deleteAccessToken({ name: token.name });
      list.change((all) => all.filter(({ name }) => name !== token.name));
      if (fresh?.name === token.name) setFresh(undefined);
      say("The token is deleted.");
    } catch (error) {
      complain(error);
    }
  };
  return (
    <AccountFrame title="Access tokens">
      <section class="panel" aria-labelledby="tokens">
        <div class="row between wrap">
          <div class="pair grow">
            <h2 id="tokens">Access tokens</h2>
            <p class="muted small">
              For scripts and programs, instead of your password. Each may do only what you choose.
            </p>
          </div>
          {!making && (
            <button type="button" class="button" onClick={() => setMaking(true)}>
              <Icon name="plus" />
              New token
            </button>
          )}
        </div>
        {making && (
          <Make
            onCancel={() => setMaking(false)}
            onMade={(token) => {
              setMaking(false);
              setFresh(token);
              list.change((all) => [token, ...all]);
            }}
          />
        )}
        {fresh && <Fresh token={fresh} onDone={() => setFresh(undefined)} />}
        {!list.items && list.busy && <Waiting />}
        {list.items?.length === 0 && !making && (
          <Empty icon="key" title="No access tokens">
            <p>Make one for each program that acts for you.</p>
          </Empty>
        )}
        {list.items && list.items.length > 0 && (
          <ul class="lines token-list">
            {list.items.map((token) => (
              <li key={token.name} class="row between">
                <div class="grow">
                  <div class="strong">{token.title}</div>
                  <div class="row wrap tags">
                    {token.scopes.map((scope) => (
                      <span key={scope} class="tag mono">
                        {scope}
                      </span>
                    ))}
                  </div>
                  <div class="small muted">
                    ends <When time={token.expireTime} /> ·{" "}
                    {token.lastUseTime ? (
                      <>
                        used <When time={token.lastUseTime} />
                      </>
                    ) : (
                      "never used"
                    )}
                  </div>
                </div>
                <button
                  type="button"
                  class="button small danger-quiet"
                  aria-label={`Delete ${token.title}`}
                  onClick={() => void remove(token)}
                >
                  Delete
                </button>
              </li>
            ))}
          </ul>
        )}
        <More list={list} />
      </section>
    </AccountFrame>
  );
}

function Fresh({ token, onDone }: { token: AccessToken; onDone: () => void }) {
  return (
    <div class="once" role="status">
      <p>
        <strong>{token.title}</strong> is made. Copy the token now: it is not shown again.
      </p>
      <div class="row">
        <code class="secret grow" data-token>
          {token.token}
        </code>
        <CopyButton text={token.token} label="Copy the token" />
      </div>
      <div class="row end">
        <button type="button" class="button small" onClick={onDone}>
          I have kept it
        </button>
      </div>
    </div>
  );
}

function Make({
  onMade,
  onCancel,
}: {
  onMade: (token: AccessToken) => void;
  onCancel: () => void;
}) {
  const [title, setTitle] = useState("");
  const [days, setDays] = useState("30");
  const [scopes, setScopes] = useState<Scopes>({});
  const [admin, setAdmin] = useState(false);
  const chosen = scopeList(scopes, admin);
  const sending = useSending(async () => {
    const expireTime = endAfter(Number(days), Date.now());
    const accessToken = { title: title.trim(), scopes: chosen, expireTime };
    onMade(await createAccessToken({ accessToken }));
  });
  const turn = (scope: string, on: boolean) => setScopes({ ...scopes, [scope]: on });
  return (
    <form class="stack inner" onSubmit={sending.submit}>
      <FormFault text={sending.rest("title", "expireTime")} />
      <div class="two">
        <TextField
          label="What it is for"
          name="title"
          autofocus
          required
          maxLength={100}
          placeholder="nightly backup"
          value={title}
          onChange={setTitle}
          error={sending.field("title")}
        />
        <SelectField
          label="It ends after"
          value={days}
          onChange={setDays}
          choices={DAYS}
          error={sending.field("expireTime")}
        />
      </div>
      <fieldset class="field">
        <legend>What it may do</legend>
        <table class="grid-table">
          <thead>
            <tr>
              <th scope="col">
                <span class="out-of-sight">Of what</span>
              </th>
              <th scope="col">Read</th>
              <th scope="col">Write</th>
            </tr>
          </thead>
          <tbody>
            {NOUNS.map(([noun, words]) => (
              <tr key={noun}>
                <th scope="row">{words}</th>
                {["read", "write"].map((verb) => (
                  <td key={verb}>
                    <input
                      type="checkbox"
                      aria-label={`${words}: ${verb}`}
                      checked={Boolean(scopes[`${noun}:${verb}`])}
                      onChange={(event) => turn(`${noun}:${verb}`, event.currentTarget.checked)}
                    />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
        {isAdmin() && (
          <label class="check">
            <input
              type="checkbox"
              checked={admin}
              onChange={(event) => setAdmin(event.currentTarget.checked)}
            />
            <span>Use my admin role: what admins may do, too</span>
          </label>
        )}
      </fieldset>
      <div class="row end">
        <button type="button" class="button" onClick={onCancel}>
          Cancel
        </button>
        <button
          type="submit"
          class="button primary"
          disabled={sending.busy || chosen.length === 0 || !title.trim()}
        >
          {sending.busy ? "Making it…" : "Make the token"}
        </button>
      </div>
    </form>
  );
}
