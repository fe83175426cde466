// Lists of machines: for admins every one, and those that wait for them; for others their own.

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { ApiError } from "../api/faults";
import { importMachine, listMachines, type Machine } from "../api/generated";
import { confirmed } from "../parts/dialog";
import { Icon } from "../parts/icons";
import { idOf, MachineIcon, price } from "../parts/machines";
import { Empty, Page, Waiting } from "../parts/page";
import { More, usePaged } from "../parts/paged";
import { navigate, place } from "../parts/router";
import { MachineChip } from "../parts/state";
import { complain, say } from "../parts/toasts";
import { SearchField } from "../parts/typing";
import { When } from "../parts/when";
import { AdminFrame } from "./admin/page";
import { isWaiting, MachineActions } from "./machine-actions";
import type { Home } from "./machine-edit";

const SHOWN = [
  ["", "All"],
  ["waiting", "To review"],
  ["drafts", "Drafts"],
  ["retired", "Retired"],
] as const;

const FILTERS: Record<string, string> = {
  waiting: "submitted = true",
  drafts: "state = DRAFT",
  retired: "state = RETIRED",
};

/** For admins: every machine, in the catalogue or not. */
export function MachinesPage() {
  const shown = place.value.query.get("show") ?? "";
  const filter = FILTERS[shown] ?? "";
  const [wanted, setWanted] = useState("");
  return (
    <AdminFrame title="Machines" actions={<Adding home="/admin/machines" />}>
      <div class="tools">
        <div class="segments" role="group" aria-label="Which machines">
          {SHOWN.map(([value, label]) => (
            <button
              key={value}
              type="button"
              aria-pressed={shown === value}
              onClick={() =>
                void navigate(value ? `/admin/machines?show=${value}` : "/admin/machines", {
                  replace: true,
                  stay: true,
                })
              }
            >
              {label}
            </button>
          ))}
        </div>
        <SearchField label="Search machines" value={wanted} onChange={setWanted} />
      </div>
      <List
        home="/admin/machines"
        filter={filter}
        query={wanted}
        empty={
          <Empty
            icon={shown === "waiting" ? "check" : "grid"}
            title={
              wanted
                ? "Nothing fits"
                : shown === "waiting"
                  ? "Nothing waits for you"
                  : "No machines"
            }
          />
        }
      />
    </AdminFrame>
  );
}

/** The machines that somebody has made: drafts, and what became of them. */
export function MyMachinesPage() {
  return (
    <Page title="My machines" actions={<Adding home="/mine" />}>
      <List
        home="/mine"
        filter='publisher = "users/me"'
        query=""
        empty={
          <Empty icon="grid" title="You have made no machines yet">
            <p>
              Make one from an image, or fork one of the catalogue, and submit it to the admins.
            </p>
            <a class="button primary" href="/mine/new">
              Add a machine
            </a>
          </Empty>
        }
      />
    </Page>
  );
}

function List({
  home,
  filter,
  query,
  empty,
}: {
  home: Home;
  filter: string;
  query: string;
  empty: ComponentChildren;
}) {
  const list = usePaged(
    async (pageToken, signal) => {
      const orderBy = query ? "" : "update_time desc";
      const asked = { filter, query: query.trim(), orderBy, pageSize: 50, pageToken };
      const answer = await listMachines(asked, { signal });
      return { items: answer.machines, nextPageToken: answer.nextPageToken };
    },
    [filter, query],
  );
  const replace = (changed: Machine) =>
    list.change((all) => all.map((one) => (one.name === changed.name ? changed : one)));
  const drop = (name: string) => list.change((all) => all.filter((one) => one.name !== name));
  return (
    <>
      {!list.items && list.busy && <Waiting />}
      {list.items?.length === 0 && empty}
      {list.items && list.items.length > 0 && (
        <div class="table-box" aria-busy={list.busy}>
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
              {list.items.map((machine) => (
                <Line
                  key={machine.name}
                  machine={machine}
                  home={home}
                  onChange={replace}
                  onGone={drop}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <More list={list} />
    </>
  );
}

function Line({
  machine,
  home,
  onChange,
  onGone,
}: {
  machine: Machine;
  home: Home;
  onChange: (machine: Machine) => void;
  onGone: (name: string) => void;
}) {
  return (
    <tr data-name={machine.name}>
      <td>
        <div class="cell-name">
          <MachineIcon machine={machine} />
          <div>
            <a class="strong" href={`${home}/${idOf(machine.name)}`}>
              {machine.title}
            </a>
            <div class="faint small mono">{idOf(machine.name)}</div>
          </div>
        </div>
      </td>
      <td>
        <MachineChip state={machine.state} />
        {isWaiting(machine) && <div class="small muted">waits for an admin</div>}
        {machine.state === "DRAFT" && machine.submission?.rejectTime && (
          <div class="small muted cell-why" title={machine.submission.rejection}>
            rejected: {machine.submission.rejection}
          </div>
        )}
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

/** The ways to a new machine: the form, or a file. */
function Adding({ home }: { home: Home }) {
  const input = useRef<HTMLInputElement>(null);
  const read = async (file: File) => {
    const send = (replaceExisting: boolean) => importMachine({ definition: file, replaceExisting });
    try {
      let made: Machine;
      try {
        made = await send(false);
      } catch (error) {
        if (!(error instanceof ApiError) || error.reason !== "MACHINE_EXISTS") throw error;
        const text = "There is a machine of that name. It gets a new version, as the file says.";
        if (!(await confirmed("Change the machine that is there?", text, "Change it"))) return;
        made = await send(true);
      }
      say(`${made.title} is read.`);
      await navigate(`${home}/${idOf(made.name)}`);
    } catch (error) {
      complain(error);
    }
  };
  return (
    <>
      <input
        ref={input}
        type="file"
        hidden
        accept=".yaml,.yml"
        aria-label="A machine as a YAML file"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = "";
          if (file) void read(file);
        }}
      />
      <button type="button" class="button" onClick={() => input.current?.click()}>
        <Icon name="upload" />
        Import YAML
      </button>
      <a class="button primary" href={`${home}/new`}>
        <Icon name="plus" />
        Add a machine
      </a>
    </>
  );
}
