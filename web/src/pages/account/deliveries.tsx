// What was sent to a webhook, and what came of it.

import { useEffect, useState } from "preact/hooks";
import {
  listWebhookDeliveries,
  replayWebhookDelivery,
  type WebhookDelivery,
} from "../../api/generated";
import { Waiting } from "../../parts/page";
import { More, usePaged } from "../../parts/paged";
import { complain } from "../../parts/toasts";
import { When } from "../../parts/when";
import { kindWords } from "./kinds";

/** How often what is on its way is looked at again. */
const LOOK_MS = 1500;

const STATES: Record<WebhookDelivery["state"], readonly [word: string, look: string]> = {
  STATE_UNSPECIFIED: ["unknown", ""],
  PENDING: ["waiting", "warn"],
  LEASED: ["being sent", "warn"],
  SENT: ["sent", "good"],
  FAILED: ["given up", "bad"],
};

const isMoving = ({ state }: WebhookDelivery) => state === "PENDING" || state === "LEASED";

export function Deliveries({
  parent,
  round,
  on,
}: {
  parent: string;
  /** Counts what was sent from this page: the list is fetched anew then. */
  round: number;
  /** Whether the webhook is on. */
  on: boolean;
}) {
  const [look, setLook] = useState(0);
  const list = usePaged(
    async (pageToken, signal) => {
      const answer = await listWebhookDeliveries({ parent, pageSize: 10, pageToken }, { signal });
      return { items: answer.deliveries, nextPageToken: answer.nextPageToken };
    },
    [parent, round],
  );
  const moving = list.items?.some(isMoving) ?? false;
  useEffect(() => {
    if (!moving) return;
    const timer = setInterval(() => {
      if (!document.hidden) setLook((before) => before + 1);
    }, LOOK_MS);
    return () => clearInterval(timer);
  }, [moving]);
  useEffect(() => {
    if (look === 0) return;
    const stop = new AbortController();
    const asked = { parent, pageSize: 10 };
    listWebhookDeliveries(asked, { signal: stop.signal })
      .then(({ deliveries }) => {
        const fresh = new Map(deliveries.map((one) => [one.name, one]));
        list.change((all) => all.map((one) => fresh.get(one.name) ?? one));
      })
      .catch(() => {
        // Looked at again soon.
      });
    return () => stop.abort();
  }, [look]);
  const replay = async (delivery: WebhookDelivery) => {
    try {
      const next = await replayWebhookDelivery({ name: delivery.name });
      list.change((all) => all.map((one) => (one.name === next.name ? next : one)));
    } catch (error) {
      complain(error);
    }
  };
  return (
    <div class="deliveries">
      {!list.items && list.busy && <Waiting />}
      {list.items?.length === 0 && <p class="muted small">Nothing was sent yet.</p>}
      <ul class="lines small">
        {list.items?.map((delivery) => {
          const [word, look] = STATES[delivery.state];
          return (
            <li key={delivery.name} class="row between wrap">
              <div class="grow">
                <div class="row wrap">
                  {kindWords(delivery.kind)}
                  <span class={`tag ${look}`}>{word}</span>
                  {delivery.responseCode > 0 && (
                    <span class="tag mono">{delivery.responseCode}</span>
                  )}
                </div>
                <div class="muted">
                  <When time={delivery.createTime} /> ·{" "}
                  {delivery.attempts === 1 ? "1 attempt" : `${delivery.attempts} attempts`}
                  {isMoving(delivery) && delivery.attempts > 0 && delivery.nextAttemptTime && (
                    <>
                      , the next <When time={delivery.nextAttemptTime} />
                    </>
                  )}
                </div>
                {delivery.error && <div class="wide-text">{delivery.error}</div>}
              </div>
              {!isMoving(delivery) && (
                <button
                  type="button"
                  class="button small"
                  disabled={!on}
                  onClick={() => void replay(delivery)}
                >
                  Send again
                </button>
              )}
            </li>
          );
        })}
      </ul>
      <More list={list} />
    </div>
  );
}
