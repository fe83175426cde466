// For admins: every machine, in the catalogue or not.

import { useState } from "preact/hooks";
import {
  deleteMachine,
  listMachines,
  type Machine,
  publishMachine,
  retireMachine,
} from "../api/generated";
import { confirmed } from "../parts/dialog";
import { Icon, Tile } from "../parts/icons";
import { idOf, price } from "../parts/machines";
import { Empty, everyPage, Page, Trouble, useLoaded, Waiting } from "../parts/page";
import { MachineChip } from "../parts/state";
import { complain, say } from "../parts/toasts";
import { When } from "../parts/when";

export function MachinesPage() {
  const [wanted, setWanted] = useState("");
  const list = useLoaded(
    (signal) =>
      everyPage(async (pageToken) => {
        const answer = await listMachines({ pageSize: 200, pageToken }, { signal });
        return { items: answer.machines, nextPageToken: answer.nextPageToken };
      }),
    [],
  );
  const rows = list.value?.filter(({ title, name }) =>
    `${title} ${name}`.toLowerCase().includes(wanted.toLowerCase()),
  );
  const replace = (changed: Machine) =>
    list.set((list.value ?? []).map((one) => (one.name === changed.name ? changed : one)));
  const drop = (name: string) => list.set((list.value ?? []).filter((one) => one.name !== name));
  return (
    <Page
      title="Machines"
      actions={
        <a class="button primary" href="/admin/machines/new">
          <Icon name="plus" />
          Add a machine
        </a>
      }
    >
      <div class="tools">
        <label class="search">
          <Icon name="search" />
          <input
            type="search"
            placeholder="Search"
            aria-label="Search machines"
            value={wanted}
            onInput={(event) => setWanted(event.currentTarget.value)}
          />
        </label>
      </div>
      {list.error !== undefined && <Trouble error={list.error} again={list.again} />}
      {!list.value && list.error === undefined && <Waiting />}
      {rows?.length === 0 && (
        <Empty icon="grid" title={wanted ? "Nothing fits" : "No machines yet"} />
      )}
      {rows && rows.length > 0 && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Machine</th>
                <th scope="col">State</th>
                <th scope="col">Runs</th>
                <th scope="col">Changed</th>
                <th scope="col">
                  <span class="out-of-sight">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((machine) => (
                <Line key={machine.name} machine={machine} onChange={replace} onGone={drop} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Page>
  );
}

function Line({
  machine,
  onChange,
  onGone,
}: {
  machine: Machine;
  onChange: (machine: Machine) => void;
  onGone: (name: string) => void;
}) {
  return (
    <tr data-name={machine.name}>
      <td>
        <div class="cell-name">
          <Tile name={machine.name} />
          <div>
            <a class="strong" href={`/admin/machines/${idOf(machine.name)}`}>
              {machine.title}
            </a>
            <div class="faint small mono">{idOf(machine.name)}</div>
          </div>
        </div>
      </td>
      <td class="cell-state">
        <MachineChip state={machine.state} />
      </td>
      <td class="cell-runs small">
        <span class="mono">{machine.image || machine.command[0] || "–"}</span>
        <div class="muted">
          {machine.resourceClass || "small"} · {price(machine.pricePerHour)}
        </div>
      </td>
      <td class="cell-when small muted">
        <When time={machine.updateTime} />
      </td>
      <td class="cell-actions">
        <MachineActions machine={machine} onChange={onChange} onGone={onGone} />
      </td>
    </tr>
  );
}

/** Publish, retire, delete: what the machine's state allows. */
export function MachineActions({
  machine,
  onChange,
  onGone,
}: {
  machine: Machine;
  onChange: (machine: Machine) => void;
  onGone: (name: string) => void;
}) {
  const [busy, setBusy] = useState(false);
  const { name, etag, title } = machine;
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
  const publish = () =>
    run(async () => {
      onChange(await publishMachine({ name, etag }));
      say(`${title} is in the catalogue.`);
    });
  const retire = () =>
    run(async () => {
      onChange(await retireMachine({ name, etag }));
      say(`${title} is retired. What is rented of it goes on.`);
    });
  const remove = async () => {
    if (!(await confirmed(`Delete ${title}?`, "What is rented of it goes on.", "Delete"))) return;
    await run(async () => {
      await deleteMachine({ name, etag });
      onGone(name);
      say(`${title} is deleted.`);
    });
  };
  return (
    <div class="actions">
      {machine.state === "ACTIVE" ? (
        <button type="button" class="button small" disabled={busy} onClick={() => void retire()}>
          Retire
        </button>
      ) : (
        <>
          <button type="button" class="button small" disabled={busy} onClick={() => void publish()}>
            Publish
          </button>
          <button
            type="button"
            class="button small danger-quiet"
            disabled={busy}
            onClick={() => void remove()}
          >
            Delete
          </button>
        </>
      )}
    </div>
  );
}
