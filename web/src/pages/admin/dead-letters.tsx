// For admins: facts that some service could not take in.

import { useState } from "preact/hooks";
import {
  type DeadLetter,
  deleteDeadLetter,
  getDeadLetter,
  listDeadLetters,
  replayAllDeadLetters,
  replayDeadLetter,
} from "../../api/generated";
import { confirmed } from "../../parts/dialog";
import { Icon } from "../../parts/icons";
import { Empty, Trouble, useLoaded, Waiting } from "../../parts/page";
import { More, usePaged } from "../../parts/paged";
import { complain, say } from "../../parts/toasts";
import { When } from "../../parts/when";
import { AdminFrame } from "./page";
import { shortType } from "./words";

export function DeadLettersPage() {
  const list = usePaged(async (pageToken, signal) => {
    const answer = await listDeadLetters({ pageSize: 50, pageToken }, { signal });
    return { items: answer.deadLetters, nextPageToken: answer.nextPageToken };
  }, []);
  const all = async () => {
    const text = "Each goes again to the service that could not take it in.";
    if (!(await confirmed("Replay all dead letters?", text, "Replay all"))) return;
    try {
      const { replayingCount } = await replayAllDeadLetters({});
      say(replayingCount === 1 ? "1 is taken in again." : `${replayingCount} are taken in again.`);
      list.again();
    } catch (error) {
      complain(error);
    }
  };
  return (
    <AdminFrame
      title="Dead letters"
      actions={
        <>
          <button type="button" class="button" disabled={list.busy} onClick={list.again}>
            <Icon name="restart" />
            Look again
          </button>
          {list.items && list.items.length > 0 && (
            <button type="button" class="button primary" onClick={() => void all()}>
              Replay all
            </button>
          )}
        </>
      }
    >
      {!list.items && list.busy && <Waiting />}
      {list.items?.length === 0 && !list.hasMore && (
        <Empty icon="check" title="There are no dead letters">
          <p>What a service could not take in, after five attempts, is listed here.</p>
        </Empty>
      )}
      {list.items && list.items.length > 0 && (
        <ul class="letters">
          {list.items.map((letter) => (
            <Letter
              key={letter.name}
              letter={letter}
              onChange={(next) =>
                list.change((letters) =>
                  letters.flatMap((one) =>
                    one.name === letter.name ? (next ? [next] : []) : [one],
                  ),
                )
              }
            />
          ))}
        </ul>
      )}
      <More list={list} />
    </AdminFrame>
  );
}

function Letter({
  letter,
  onChange,
}: {
  letter: DeadLetter;
  onChange: (letter: DeadLetter | undefined) => void;
}) {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const run = async (work: () => Promise<DeadLetter | undefined>, done: string) => {
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
  const { name } = letter;
  const replay = () => run(() => replayDeadLetter({ name }), "It is taken in again.");
  const remove = async () => {
    const text = `${letter.group} never learns of it.`;
    if (!(await confirmed("Throw this dead letter away?", text, "Throw away"))) return;
    await run(async () => {
      await deleteDeadLetter({ name });
      return undefined;
    }, "It is thrown away.");
  };
  return (
    <li class="panel">
      <div class="row between wrap">
        <div class="grow">
          <div class="row wrap">
            <strong>{shortType(letter.type) || letter.topic}</strong>
            <span class="tag mono">{letter.group}</span>
            <span class="tag bad mono">{letter.reason}</span>
            {letter.replaying && <span class="tag warn">being replayed</span>}
          </div>
          <p class="small">{letter.message}</p>
          <p class="small muted">
            <span class="mono">{letter.key}</span> · given up <When time={letter.failTime} /> ·{" "}
            {letter.attempts === 1 ? "1 attempt" : `${letter.attempts} attempts`}
          </p>
        </div>
        <div class="actions">
          <button
            type="button"
            class="button small"
            disabled={busy || letter.replaying}
            onClick={() => void replay()}
          >
            Replay
          </button>
          <button
            type="button"
            class="button small danger-quiet"
            disabled={busy}
            onClick={() => void remove()}
          >
            Throw away
          </button>
        </div>
      </div>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary class="small">What it says</summary>
        {open && <Content name={name} />}
      </details>
    </li>
  );
}

function Content({ name }: { name: string }) {
  const letter = useLoaded((signal) => getDeadLetter({ name }, { signal }), [name]);
  if (letter.error !== undefined) return <Trouble error={letter.error} again={letter.again} />;
  if (!letter.value) return <Waiting />;
  const { content, rawContent, topic, actor, method, traceId, factTime } = letter.value;
  const text = content === undefined ? rawContent : JSON.stringify(content, null, 2);
  return (
    <div class="stack tight">
      <dl class="facts small">
        <dt>Topic</dt>
        <dd class="mono">{topic}</dd>
        {factTime && (
          <>
            <dt>Happened</dt>
            <dd>
              <When time={factTime} />
            </dd>
          </>
        )}
        {actor && (
          <>
            <dt>Asked for by</dt>
            <dd class="mono">{actor}</dd>
          </>
        )}
        {method && (
          <>
            <dt>Call</dt>
            <dd class="mono">{method}</dd>
          </>
        )}
        {traceId && (
          <>
            <dt>Trace</dt>
            <dd class="mono">{traceId}</dd>
          </>
        )}
      </dl>
      <pre class="payload">{text || "Nothing is left of it."}</pre>
    </div>
  );
}
