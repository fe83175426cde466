// For admins: what waits for room, in the order in which it gets it.

import { useEffect, useState } from "preact/hooks";
import { type Allocation, cancelAllocation, prioritizeAllocation } from "../../api/generated";
import { everybodys, putEverywhere } from "../../live/allocations";
import { shownName } from "../../parts/actions";
import { atWords } from "../../parts/clock";
import { confirmed } from "../../parts/dialog";
import { Icon } from "../../parts/icons";
import { idOf } from "../../parts/machines";
import { Empty, Trouble, Waiting } from "../../parts/page";
import { complain } from "../../parts/toasts";
import { Soon, When } from "../../parts/when";
import { person } from "../../session/session";
import { AdminFrame } from "./page";

const placeOf = ({ queue }: Allocation): number => queue?.position ?? Number.MAX_SAFE_INTEGER;

export function QueuePage() {
  useEffect(() => everybodys.follow(), []);
  const all = everybodys.all.value;
  const trouble = everybodys.trouble.value;
  const waiting = [...(all?.values() ?? [])]
    .filter(({ state }) => state === "PENDING")
    .sort((one, other) => placeOf(one) - placeOf(other));
  return (
    <AdminFrame title="Queue">
      {trouble && <Trouble error={new Error(`${trouble} Trying again…`)} />}
      {!all && !trouble && <Waiting />}
      {all && waiting.length === 0 && (
        <Empty icon="check" title="Nobody waits">
          <p>What asks for more than there is room for, and wishes to wait, is listed here.</p>
        </Empty>
      )}
      {waiting.length > 0 && (
        <>
          <p class="muted">
            People take turns. What you move comes at its new place, whoever’s it is.
          </p>
          <div class="table-box">
            <table class="table">
              <thead>
                <tr>
                  <th scope="col">Place</th>
                  <th scope="col">Allocation</th>
                  <th scope="col">Waits for</th>
                  <th scope="col">Since</th>
                  <th scope="col">
                    <span class="out-of-sight">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {waiting.map((allocation, at) => (
                  <Line
                    key={allocation.name}
                    allocation={allocation}
                    last={at + 1 === waiting.length}
                  />
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </AdminFrame>
  );
}

function Line({ allocation, last }: { allocation: Allocation; last: boolean }) {
  const [busy, setBusy] = useState(false);
  const { name, owner, queue } = allocation;
  const shown = shownName(allocation);
  const position = queue?.position ?? 0;
  const run = async (work: () => Promise<Allocation>) => {
    setBusy(true);
    try {
      putEverywhere(await work(), owner === person.value?.name);
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  const move = (to: number) => run(() => prioritizeAllocation({ name, position: to }));
  const cancel = async () => {
    if (!(await confirmed(`Cancel ${shown}?`, "It does not wait any more.", "Cancel it"))) return;
    await run(() => cancelAllocation({ name }));
  };
  const mover = (label: string, icon: "top" | "up" | "down", to: number, off: boolean) => (
    <button
      type="button"
      class="button icon-only"
      title={label}
      aria-label={label}
      disabled={busy || off}
      onClick={() => void move(to)}
    >
      <Icon name={icon} />
    </button>
  );
  return (
    <tr data-name={name}>
      <td class="cell-number strong">{position || "–"}</td>
      <td>
        <a class="strong" href={`/${name}`}>
          {shown}
        </a>
        <div class="faint small">
          <span class="mono">{idOf(name)}</span> · of <span class="mono">{idOf(owner)}</span>
        </div>
      </td>
      <td class="small">
        {queue?.waitingFor?.message ?? "Room"}
        {queue?.expectedTime && (
          <div class="muted">
            likely <Soon time={queue.expectedTime} />
          </div>
        )}
        {queue?.deadline && <div class="muted">given up {atWords(new Date(queue.deadline))}</div>}
      </td>
      <td class="cell-when small muted">
        <When time={allocation.stateTime} />
      </td>
      <td class="cell-actions">
        <div class="actions" role="group" aria-label={`Actions on ${shown}`}>
          {mover("Move to the front", "top", 1, position <= 1)}
          {mover("Move up", "up", position - 1, position <= 1)}
          {mover("Move down", "down", position + 1, last)}
          <button
            type="button"
            class="button small danger-quiet"
            disabled={busy}
            onClick={() => void cancel()}
          >
            Cancel…
          </button>
        </div>
      </td>
    </tr>
  );
}
