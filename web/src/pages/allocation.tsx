// One allocation: what it is, where it answers, what it writes.

import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { type Allocation, getAllocation, updateAllocation } from "../api/generated";
import { Console } from "../console/console";
import { LogView } from "../console/logview";
import { Use } from "../console/use";
import { commentOn } from "../feed/line";
import { isOlder, mine, putEverywhere } from "../live/allocations";
import { Actions, shownName } from "../parts/actions";
import { hostPort, openAddress } from "../parts/address";
import { CopyButton } from "../parts/copy";
import { Icon, Tile } from "../parts/icons";
import { idOf } from "../parts/machines";
import { Page, Trouble, useLoaded, Waiting } from "../parts/page";
import { AllocationChip, isRunning } from "../parts/state";
import { complain } from "../parts/toasts";
import { person } from "../session/session";
import { Details } from "./allocation-details";
import { EditAllocation } from "./allocation-edit";
import { Recreate } from "./allocation-recreate";
import { Story } from "./allocation-story";
import { Timeline } from "./allocation-timeline";
import { UsagePanel } from "./allocation-usage";
import { Kept } from "./allocation-volumes";
import { MadeUp } from "./made-up";

export function AllocationPage({ name }: { name: string }) {
  const loaded = useLoaded((signal) => getAllocation({ name }, { signal }), [name]);
  const [newest, setNewest] = useState<Allocation | undefined>(undefined);
  const streamed = mine.all.value?.get(name);

  const take = useCallback((allocation: Allocation) => {
    setNewest((known) => (isOlder(allocation, known) ? known : allocation));
    putEverywhere(allocation, allocation.owner === person.value?.name);
  }, []);

  // Of what the call, the stream and the console say, the newest counts.
  const allocation = [loaded.value, streamed, newest].reduce(
    (best, one) => (one && !isOlder(one, best) ? one : best),
    undefined as Allocation | undefined,
  );
  if (!allocation) {
    return (
      <Page title="Allocation">
        {loaded.error === undefined ? (
          <Waiting />
        ) : (
          <Trouble error={loaded.error} again={loaded.again} />
        )}
      </Page>
    );
  }
  return <Shown allocation={allocation} onChange={take} />;
}

function Shown({
  allocation,
  onChange,
}: {
  allocation: Allocation;
  onChange: (allocation: Allocation) => void;
}) {
  const { name } = allocation;
  const console = useMemo(() => new Console(name, onChange), [name, onChange]);
  useEffect(() => () => console.close(), [console]);
  const [open, setOpen] = useState<"edit" | "recreate" | undefined>(undefined);
  const close = () => setOpen(undefined);
  const gone = allocation.state === "DELETED";
  const newer = allocation.newerMachineVersion;
  return (
    <Page
      wide
      title={shownName(allocation)}
      heading={<Heading allocation={allocation} onChange={onChange} />}
      actions={
        !gone && (
          <>
            <button type="button" class="button" onClick={() => setOpen("edit")}>
              <Icon name="sliders" />
              Edit
            </button>
            <Actions allocation={allocation} onChange={onChange} />
          </>
        )
      }
    >
      <MadeUp name={name} />
      <Story allocation={allocation} onChange={onChange} onEdit={() => setOpen("edit")} />
      {newer > 0 && !gone && (
        <section class="story" aria-label="A newer version">
          <Icon name="up" />
          <span class="grow">
            Version {newer} of {allocation.machineTitle} is there; this is version{" "}
            {allocation.machineVersion}.
          </span>
          <button type="button" class="button small" onClick={() => setOpen("recreate")}>
            Recreate…
          </button>
        </section>
      )}
      <div class="watch">
        <LogView
          console={console}
          name={idOf(name)}
          commentOn={(seq) => commentOn(allocation.machine, name, seq)}
        />
        <aside class="side">
          <section class="panel" aria-labelledby="where">
            <h2 id="where">Where it answers</h2>
            <Where allocation={allocation} />
          </section>
          <section class="panel" aria-labelledby="use">
            <h2 id="use">Use</h2>
            <Use console={console} running={isRunning(allocation.state)} />
          </section>
          <UsagePanel allocation={allocation} />
          <Timeline allocation={allocation} />
          {!gone && <Kept allocation={allocation} />}
          <Details
            allocation={allocation}
            onRecreate={gone ? undefined : () => setOpen("recreate")}
          />
        </aside>
      </div>
      {open === "edit" && (
        <EditAllocation allocation={allocation} onChange={onChange} onClose={close} />
      )}
      {open === "recreate" && (
        <Recreate allocation={allocation} onChange={onChange} onClose={close} />
      )}
    </Page>
  );
}

function Heading({
  allocation,
  onChange,
}: {
  allocation: Allocation;
  onChange: (allocation: Allocation) => void;
}) {
  const [draft, setDraft] = useState<string | undefined>(undefined);
  const save = async () => {
    const displayName = draft?.trim() ?? "";
    setDraft(undefined);
    if (displayName === allocation.displayName) return;
    try {
      const { name } = allocation;
      onChange(
        await updateAllocation({ allocation: { name, displayName }, updateMask: "displayName" }),
      );
    } catch (error) {
      complain(error);
    }
  };
  return (
    <>
      <Tile name={allocation.machine} large />
      <span>
        {draft === undefined ? (
          <span class="row">
            {shownName(allocation)}
            <button
              type="button"
              class="quiet"
              title="Rename"
              aria-label="Rename"
              onClick={() => setDraft(allocation.displayName)}
            >
              <Icon name="pencil" />
            </button>
            <AllocationChip state={allocation.state} />
          </span>
        ) : (
          <input
            class="heading-input"
            aria-label="Name"
            maxLength={80}
            placeholder={allocation.machineTitle}
            value={draft}
            autofocus
            onInput={(event) => setDraft(event.currentTarget.value)}
            onBlur={() => void save()}
            onKeyDown={(event) => {
              if (event.key === "Enter") event.currentTarget.blur();
              if (event.key === "Escape") setDraft(undefined);
            }}
          />
        )}
        <span class="under mono">{idOf(allocation.name)}</span>
      </span>
    </>
  );
}

function Where({ allocation }: { allocation: Allocation }) {
  const { endpoints, state } = allocation;
  if (endpoints.length === 0) {
    return <p class="muted small">It has no ports: it only writes its log.</p>;
  }
  return (
    <ul class="lines">
      {endpoints.map((endpoint) => {
        const text = hostPort(endpoint);
        const opened = openAddress(endpoint);
        return (
          <li key={`${endpoint.containerPort}${endpoint.protocol}`} class="endpoint">
            <div class="row">
              <span class="mono endpoint-address" data-endpoint>
                {text}
              </span>
              <CopyButton text={text} label="Copy the address" />
              {opened && isRunning(state) && (
                <a
                  class="button small"
                  href={opened}
                  target="_blank"
                  rel="noopener noreferrer"
                  title={opened}
                >
                  Open
                  <Icon name="external" />
                </a>
              )}
            </div>
            <div class="faint small">
              {endpoint.title && `${endpoint.title} · `}
              {endpoint.scheme && `${endpoint.scheme} · `}
              {endpoint.protocol.toLowerCase()} port {endpoint.containerPort} inside
            </div>
          </li>
        );
      })}
    </ul>
  );
}
