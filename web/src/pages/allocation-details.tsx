// What is known about an allocation and the instance behind it.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { type Allocation, inspectAllocation } from "../api/generated";
import { bytes } from "../parts/bytes";
import { idOf } from "../parts/machines";
import { Trouble, useLoaded, Waiting } from "../parts/page";
import { When } from "../parts/when";
import { person } from "../session/session";

export function Details({ allocation }: { allocation: Allocation }) {
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
          <Fact label="Instances made">{allocation.generation}</Fact>
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
        {allocation.state !== "DELETED" && <Inspect allocation={allocation} />}
      </section>
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
