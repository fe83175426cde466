// Webhooks: programs of one's own that are told what happens.

import { useState } from "preact/hooks";
import {
  createWebhook,
  deleteWebhook,
  disableWebhook,
  enableWebhook,
  getNotificationPreferences,
  listWebhooks,
  rotateWebhookSecret,
  testWebhook,
  type Webhook,
} from "../../api/generated";
import { requestId } from "../../api/transport";
import { CopyButton } from "../../parts/copy";
import { confirmed } from "../../parts/dialog";
import { CheckField, TextField } from "../../parts/field";
import { useSending } from "../../parts/form";
import { Icon } from "../../parts/icons";
import { Empty, useLoaded, Waiting } from "../../parts/page";
import { More, usePaged } from "../../parts/paged";
import { complain, say } from "../../parts/toasts";
import { When } from "../../parts/when";
import { person } from "../../session/session";
import { FormFault } from "../entry";
import { Deliveries } from "./deliveries";
import { kindWords } from "./kinds";
import { AccountFrame } from "./page";

export function WebhooksPage() {
  const list = usePaged(async (pageToken, signal) => {
    const answer = await listWebhooks({ pageSize: 20, pageToken }, { signal });
    return { items: answer.webhooks, nextPageToken: answer.nextPageToken };
  }, []);
  const [making, setMaking] = useState(false);
  const [secrets, setSecrets] = useState<Readonly<Record<string, string>>>({});
  const keep = ({ name, secret }: Webhook) => setSecrets({ ...secrets, [name]: secret });
  const verified = person.value?.verified;
  return (
    <AccountFrame title="Webhooks">
      <section class="panel" aria-labelledby="webhooks">
        <div class="row between wrap">
          <div class="pair grow">
            <h2 id="webhooks">Webhooks</h2>
            <p class="muted small">
              What you are told is posted to your programs too, signed as{" "}
              <a href="https://www.standardwebhooks.com" target="_blank" rel="noopener noreferrer">
                Standard Webhooks
              </a>{" "}
              says.
            </p>
          </div>
          {!making && verified && (
            <button type="button" class="button" onClick={() => setMaking(true)}>
              <Icon name="plus" />
              New webhook
            </button>
          )}
        </div>
        {!verified && <p class="muted">Verify your address first, on the page Profile.</p>}
        {making && (
          <Make
            onCancel={() => setMaking(false)}
            onMade={(webhook) => {
              setMaking(false);
              keep(webhook);
              list.change((all) => [webhook, ...all]);
            }}
          />
        )}
        {!list.items && list.busy && <Waiting />}
        {list.items?.length === 0 && !making && (
          <Empty icon="bolt" title="No webhooks">
            <p>Add the address of a program that shall know when something happens.</p>
          </Empty>
        )}
        <ul class="lines">
          {list.items?.map((webhook) => (
            <OneWebhook
              key={webhook.name}
              webhook={webhook}
              secret={secrets[webhook.name] ?? ""}
              onSecret={keep}
              onTaken={() => setSecrets({ ...secrets, [webhook.name]: "" })}
              onChange={(next) =>
                list.change((all) =>
                  all.flatMap((one) => (one.name === webhook.name ? (next ? [next] : []) : [one])),
                )
              }
            />
          ))}
        </ul>
        <More list={list} />
      </section>
    </AccountFrame>
  );
}

function Make({ onMade, onCancel }: { onMade: (webhook: Webhook) => void; onCancel: () => void }) {
  const [title, setTitle] = useState("");
  const [url, setUrl] = useState("");
  const [every, setEvery] = useState(true);
  const [kinds, setKinds] = useState<readonly string[]>([]);
  const [id] = useState(requestId);
  const known = useLoaded(
    (signal) =>
      getNotificationPreferences({ name: "users/me/notificationPreferences" }, { signal }),
    [],
  );
  const sending = useSending(async () => {
    const webhook = { title: title.trim(), url: url.trim(), kinds: every ? [] : [...kinds] };
    onMade(await createWebhook({ webhook, requestId: id }));
  });
  return (
    <form class="stack inner" onSubmit={sending.submit}>
      <FormFault text={sending.rest("title", "url")} />
      <TextField
        label="Address"
        mono
        name="url"
        autofocus
        required
        maxLength={2000}
        placeholder="https://example.org/hooks/allocator"
        spellcheck={false}
        value={url}
        onChange={setUrl}
        error={sending.field("url")}
      />
      <TextField
        label="What you call it"
        optional
        name="title"
        maxLength={80}
        value={title}
        onChange={setTitle}
        error={sending.field("title")}
      />
      <CheckField label="Every kind of notice" checked={every} onChange={setEvery} />
      {!every && (
        <fieldset class="field">
          <legend>These kinds</legend>
          <div class="kinds">
            {known.value?.preferences.map(({ kind }) => (
              <CheckField
                key={kind}
                label={kindWords(kind)}
                checked={kinds.includes(kind)}
                onChange={(on) =>
                  setKinds(on ? [...kinds, kind] : kinds.filter((one) => one !== kind))
                }
              />
            ))}
          </div>
        </fieldset>
      )}
      <div class="row end">
        <button type="button" class="button" onClick={onCancel}>
          Cancel
        </button>
        <button
          type="submit"
          class="button primary"
          disabled={sending.busy || !url.trim() || (!every && kinds.length === 0)}
        >
          {sending.busy ? "Adding…" : "Add it"}
        </button>
      </div>
    </form>
  );
}

const STATES: Record<Webhook["state"], readonly [word: string, look: string]> = {
  STATE_UNSPECIFIED: ["unknown", ""],
  ENABLED: ["on", "good"],
  DISABLED: ["off", ""],
  SUSPENDED: ["suspended: it failed for days", "bad"],
};

function OneWebhook({
  webhook,
  secret,
  onSecret,
  onTaken,
  onChange,
}: {
  webhook: Webhook;
  secret: string;
  onSecret: (webhook: Webhook) => void;
  onTaken: () => void;
  onChange: (webhook: Webhook | undefined) => void;
}) {
  const [busy, setBusy] = useState(false);
  const [open, setOpen] = useState(false);
  const [round, setRound] = useState(0);
  const { name, url } = webhook;
  const title = webhook.title || url;
  const on = webhook.state === "ENABLED";
  const [word, look] = STATES[webhook.state];
  const run = async (work: () => Promise<void>) => {
    setBusy(true);
    try {
      await work();
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  const test = () =>
    run(async () => {
      await testWebhook({ name });
      setOpen(true);
      setRound((before) => before + 1);
    });
  const turn = () =>
    run(async () => onChange(await (on ? disableWebhook({ name }) : enableWebhook({ name }))));
  const rotate = async () => {
    const text = "For a day what is sent is signed with the former secret too.";
    if (!(await confirmed("Make a new secret?", text, "Make it"))) return;
    await run(async () => {
      const rotated = await rotateWebhookSecret({ name });
      onSecret(rotated);
      onChange(rotated);
    });
  };
  const remove = async () => {
    const text = "What waits for it is given up.";
    if (!(await confirmed(`Delete ${title}?`, text, "Delete"))) return;
    await run(async () => {
      await deleteWebhook({ name });
      onChange(undefined);
      say("The webhook is deleted.");
    });
  };
  const button = (label: string, work: () => Promise<void>, style = "", off = false) => (
    <button
      type="button"
      class={`button small ${style}`}
      disabled={busy || off}
      onClick={() => void work()}
    >
      {label}
    </button>
  );
  return (
    <li data-name={name}>
      <div class="row between wrap">
        <div class="grow">
          <div class="row wrap">
            <strong>{title}</strong>
            <span class={`tag ${look}`}>{word}</span>
            {webhook.failingSince && (
              <span class="tag warn">
                failing since <When time={webhook.failingSince} />
              </span>
            )}
          </div>
          {webhook.title && <div class="small mono muted wide-text">{url}</div>}
          <div class="small muted">
            {webhook.kinds.length === 0
              ? "Every kind of notice"
              : webhook.kinds.map(kindWords).join(", ")}
          </div>
        </div>
        <div class="actions wrap" role="group" aria-label={`Actions on ${title}`}>
          {button("Test", test, "", !on)}
          {button(on ? "Switch off" : "Switch on", turn)}
          {button("New secret", rotate)}
          {button("Delete", remove, "danger-quiet")}
        </div>
      </div>
      {secret && (
        <div class="once" role="status">
          <p>
            <strong>Its secret.</strong> Copy it now: it is not shown again.
          </p>
          <div class="row">
            <code class="secret grow" data-secret>
              {secret}
            </code>
            <CopyButton text={secret} label="Copy the secret" />
          </div>
          <div class="row end">
            <button type="button" class="button small" onClick={onTaken}>
              I have kept it
            </button>
          </div>
        </div>
      )}
      <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary class="small">Deliveries</summary>
        {open && <Deliveries parent={name} round={round} on={on} />}
      </details>
    </li>
  );
}
