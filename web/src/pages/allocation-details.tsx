// What is known about an allocation and the instance behind it.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { type Allocation, inspectAllocation } from "../api/generated";
import { bytes } from "../parts/bytes";
import { atWords } from "../parts/clock";
import { Icon } from "../parts/icons";
import { idOf, price } from "../parts/machines";
import { Trouble, useLoaded, Waiting } from "../parts/page";
import { secondsOf, spanWords } from "../parts/spans";
import { When } from "../parts/when";
import { person } from "../session/session";
import { RESTARTS } from "./allocation-edit";
import { times } from "./allocation-story";
import { turnWords } from "./plan";

export function Details({
  allocation,
  onRecreate,
}: {
  allocation: Allocation;
  onRecreate: (() => void) | undefined;
}) {
  const labels = Object.entries(allocation.labels);
  return (
    <>
      {allocation.variables.length > 0 && (
        <section class="panel" aria-labelledby="variables">
          <h2 id="variables">Variables</h2>
          <dl class="facts stacked small">
            {allocation.variables.map(({ key, value, secret }) => (
              <Fact key={key} label={<span class="mono">{key}</span>}>
                {secret ? (
                  <span class="faint">secret, not shown</span>
                ) : (
                  <span class="mono">{value}</span>
                )}
              </Fact>
            ))}
          </dl>
        </section>
      )}
      <section class="panel" aria-labelledby="details">
        <h2 id="details">Details</h2>
        <dl class="facts small">
          <Fact label="Machine">
            <a href={`/machines/${idOf(allocation.machine)}`}>{allocation.machineTitle}</a>, version{" "}
            {allocation.machineVersion}
            {allocation.newerMachineVersion > 0 && (
              <>
                {" "}
                <span class="tag warn">version {allocation.newerMachineVersion} exists</span>
              </>
            )}
          </Fact>
          {allocation.owner !== person.value?.name && (
            <Fact label="Owner">
              <span class="mono">{idOf(allocation.owner)}</span>
            </Fact>
          )}
          {allocation.resourceClass && <Fact label="Size">{allocation.resourceClass}</Fact>}
          <Fact label="Price">{price(allocation.pricePerHour)}</Fact>
          <Plan allocation={allocation} />
          {labels.length > 0 && (
            <Fact label="Labels">
              <span class="row wrap tags">
                {labels.map(([key, value]) => (
                  <span key={key} class="tag mono">
                    {value ? `${key}=${value}` : key}
                  </span>
                ))}
              </span>
            </Fact>
          )}
          {allocation.node && <Fact label="Node">{idOf(allocation.node)}</Fact>}
          <Fact label="Instances made">{allocation.generation}</Fact>
          <Fact label="Started by itself">{times(allocation.restartCount)}</Fact>
          <Fact label="In this state since">
            <When time={allocation.stateTime} />
          </Fact>
          <Fact label="Last heard of">
            <When time={allocation.observedTime} />
          </Fact>
          <Fact label="Rented">
            <When time={allocation.createTime} />
          </Fact>
          {allocation.deleteTime && (
            <Fact label="Removed">
              <When time={allocation.deleteTime} />
            </Fact>
          )}
        </dl>
        {onRecreate && (
          <button type="button" class="button small details-button" onClick={onRecreate}>
            <Icon name="restart" />
            Recreate…
          </button>
        )}
        {allocation.state !== "DELETED" && <Inspect allocation={allocation} />}
      </section>
    </>
  );
}

/** What happens to it by time. */
function Plan({ allocation }: { allocation: Allocation }) {
  const { expireTime, expireAction, idlePolicy, schedule, restartPolicy } = allocation;
  const idle = secondsOf(idlePolicy?.timeout);
  const restarts = RESTARTS.find(([value]) => value === restartPolicy);
  return (
    <>
      {expireTime && (
        <Fact label="Ends">
          {expireAction === "DELETE" ? "is removed" : "is stopped"} {atWords(new Date(expireTime))}
        </Fact>
      )}
      {idle > 0 && <Fact label="When idle">is stopped after {spanWords(idle)}</Fact>}
      {schedule && schedule.actions.length > 0 && (
        <Fact label="Each week">
          {schedule.actions.map((turn) => (
            <div key={JSON.stringify(turn)}>{turnWords(turn)}</div>
          ))}
          <div class="faint">{schedule.timeZone}</div>
        </Fact>
      )}
      {restarts && restartPolicy !== "RESTART_POLICY_UNSPECIFIED" && (
        <Fact label="When it ends">{restarts[1].toLowerCase()}</Fact>
      )}
    </>
  );
}

function Fact({ label, children }: { label: ComponentChildren; children: ComponentChildren }) {
  return (
    <>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** The instance, asked of the engine when this is opened. */
function Inspect({ allocation }: { allocation: Allocation }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="inspect" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Inspect the instance</summary>
      {open && <Instance key={`${allocation.etag}`} name={allocation.name} />}
    </details>
  );
}

function Instance({ name }: { name: string }) {
  const seen = useLoaded((signal) => inspectAllocation({ name }, { signal }), [name]);
  if (seen.error !== undefined) return <Trouble error={seen.error} again={seen.again} />;
  if (!seen.value) return <Waiting />;
  const found = seen.value;
  return (
    <dl class="facts small">
      <Fact label="Runtime">{found.runtime || "–"}</Fact>
      <Fact label="Instance">
        <span class="mono">{found.instance || "none"}</span>
      </Fact>
      <Fact label="State">{found.instanceState.toLowerCase() || "–"}</Fact>
      {found.image && (
        <Fact label="Image">
          <span class="mono">{found.image}</span>
        </Fact>
      )}
      {found.node && <Fact label="Node">{found.node}</Fact>}
      <Fact label="Starts">{found.incarnation}</Fact>
      <Fact label="Started">
        <When time={found.startTime} />
      </Fact>
      {found.finishTime && (
        <Fact label="Ended">
          <When time={found.finishTime} />
        </Fact>
      )}
      {found.exitCode !== undefined && <Fact label="Exit code">{found.exitCode}</Fact>}
      <Fact label="Limits">
        {[
          found.cpuMillis ? `${found.cpuMillis / 1000} cores` : "",
          Number(found.memoryBytes) ? bytes(Number(found.memoryBytes)) : "",
          found.pids ? `${found.pids} processes` : "",
        ]
          .filter(Boolean)
          .join(", ") || "none"}
      </Fact>
    </dl>
  );
}
