// Why an allocation is as it is: what happened to it, newest first, in words.

import { useEffect, useRef } from "preact/hooks";
import { type Allocation, type Event, listEvents } from "../api/generated";
import { Waiting } from "../parts/page";
import { More, usePaged } from "../parts/paged";
import { When } from "../parts/when";
import { person } from "../session/session";
import { shortMethod } from "./admin/words";

/** How long the broker may take to hear of a change before the page asks for it. */
const SETTLE_MS = 400;

export function Timeline({ allocation }: { allocation: Allocation }) {
  const { name, etag } = allocation;
  const list = usePaged(
    async (pageToken, signal) => {
      const answer = await listEvents({ parent: name, pageSize: 8, pageToken }, { signal });
      return { items: answer.events, nextPageToken: answer.nextPageToken };
    },
    [name],
  );
  // Asked for again once a change has had time to be told of; it may yet come later than that.
  const first = useRef(true);
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    const timers = [SETTLE_MS, 5 * SETTLE_MS].map((wait) => setTimeout(list.again, wait));
    return () => timers.forEach(clearTimeout);
  }, [etag]);
  return (
    <section class="panel" aria-labelledby="timeline">
      <h2 id="timeline">What happened</h2>
      {!list.items && list.busy && <Waiting />}
      {list.items?.length === 0 && <p class="muted small">Nothing is known yet.</p>}
      <ol class="timeline">
        {list.items?.map((event) => (
          <li key={event.name} data-type={event.type}>
            <div>{event.text}</div>
            <div class="small muted">
              <When time={event.time} />
              <Cause event={event} />
            </div>
          </li>
        ))}
      </ol>
      <More list={list} label="Earlier" />
    </section>
  );
}

/** Who asked for it, and how. */
function Cause({ event }: { event: Event }) {
  const { actor, actorName, method, traceId } = event;
  if (!actor) return null;
  const who = actor === person.value?.name ? "you" : actorName || actor;
  const details = [method && shortMethod(method), traceId && `trace ${traceId}`].filter(Boolean);
  return <span title={details.join(", ")}> · by {who}</span>;
}
