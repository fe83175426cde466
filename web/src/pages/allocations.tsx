import { useEffect, useMemo, useState } from "preact/hooks";
import { type Allocation, listAllocations } from "../api/generated";
import { everybodys, mine } from "../live/allocations";
import { Actions, shownName } from "../parts/actions";
import { Address } from "../parts/address";
import { Icon, Tile } from "../parts/icons";
import { idOf } from "../parts/machines";
import { Empty, Page, Trouble, useLoaded, Waiting } from "../parts/page";
import { AllocationChip } from "../parts/state";
import { SearchField } from "../parts/typing";
import { When } from "../parts/when";
import { isAdmin } from "../session/session";
import { isCalled, isOf, KINDS, type Kind } from "./allocation-kinds";
import { plannedWords } from "./planned";
import { placeWords } from "./queue";

type Shown = "mine" | "everybody" | "history";

/** From how many allocations on one looks for some of them. */
const FEW = 3;

export function AllocationsPage() {
  const [shown, setShown] = useState<Shown>("mine");
  const choices: readonly (readonly [Shown, string])[] = [
    ["mine", "Mine"],
    ...(isAdmin() ? [["everybody", "Everybody’s"] as const] : []),
    ["history", "History"],
  ];
  return (
    <Page
      title="Allocations"
      actions={
        <a class="button primary" href="/">
          <Icon name="plus" />
          Rent a machine
        </a>
      }
    >
      <div class="tools">
        <div class="segments" role="group" aria-label="Which allocations">
          {choices.map(([value, label]) => (
            <button
              key={value}
              type="button"
              aria-pressed={shown === value}
              onClick={() => setShown(value)}
            >
              {label}
            </button>
          ))}
        </div>
        <a class="button plain tools-end" href="/volumes">
          <Icon name="disk" />
          Volumes
        </a>
      </div>
      {shown === "history" ? <History /> : <Live key={shown} everybody={shown === "everybody"} />}
    </Page>
  );
}

function Live({ everybody }: { everybody: boolean }) {
  const live = everybody ? everybodys : mine;
  useEffect(() => live.follow(), [live]);
  const all = live.all.value;
  const rows = useMemo(
    () =>
      [...(all?.values() ?? [])]
        .filter(({ state }) => state !== "DELETED")
        .sort((one, other) => (other.createTime ?? "").localeCompare(one.createTime ?? "")),
    [all],
  );
  const trouble = live.trouble.value;
  const [kind, setKind] = useState<Kind>("");
  const [wanted, setWanted] = useState("");
  const fitting = rows.filter((one) => isOf(kind, one) && isCalled(wanted, one));
  return (
    <>
      {rows.length > FEW && (
        <div class="tools">
          <div class="segments" role="group" aria-label="In which state">
            {KINDS.map(([value, label]) => (
              <button
                key={value}
                type="button"
                aria-pressed={kind === value}
                onClick={() => setKind(value)}
              >
                {label}
                <span class="count">{rows.filter((one) => isOf(value, one)).length}</span>
              </button>
            ))}
          </div>
          <SearchField label="Search names, machines, labels" value={wanted} onChange={setWanted} />
        </div>
      )}
      {trouble && <Trouble error={new Error(`${trouble} Trying again…`)} />}
      {!all && !trouble && <Waiting />}
      {all && rows.length === 0 && (
        <Empty icon="server" title={everybody ? "Nobody rents anything" : "You rent nothing yet"}>
          <p>Choose a machine, and it answers within seconds.</p>
          <a class="button primary" href="/">
            To the catalogue
          </a>
        </Empty>
      )}
      {rows.length > 0 && fitting.length === 0 && <Empty icon="search" title="None of them fits" />}
      {fitting.length > 0 && <Table rows={fitting} owners={everybody} />}
    </>
  );
}

function History() {
  const past = useLoaded(
    (signal) => listAllocations({ filter: "state = DELETED", pageSize: 100 }, { signal }),
    [],
  );
  if (past.error !== undefined) return <Trouble error={past.error} again={past.again} />;
  if (!past.value) return <Waiting />;
  if (past.value.allocations.length === 0) {
    return (
      <Empty icon="clock" title="No history yet">
        What you remove is listed here.
      </Empty>
    );
  }
  return <Table rows={past.value.allocations} owners={false} />;
}

function Table({ rows, owners }: { rows: Allocation[]; owners: boolean }) {
  return (
    <div class="table-box">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">State</th>
            <th scope="col">Address</th>
            {owners && <th scope="col">Owner</th>}
            <th scope="col">Rented</th>
            <th scope="col">
              <span class="out-of-sight">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((allocation) => (
            <Line key={allocation.name} allocation={allocation} owners={owners} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** States whose reason matters at once. */
const FAILING: ReadonlySet<string> = new Set(["FAILED", "UNHEALTHY", "UNKNOWN"]);

function Line({ allocation, owners }: { allocation: Allocation; owners: boolean }) {
  const { state, progress, stateReason, queue, planned } = allocation;
  const gone = state === "DELETED";
  const why = FAILING.has(state) ? stateReason?.message : "";
  return (
    <tr data-name={allocation.name}>
      <td>
        <div class="cell-name">
          <Tile name={allocation.machine} />
          <div>
            <a class="strong" href={`/${allocation.name}`}>
              {shownName(allocation)}
            </a>
            <div class="faint small">
              <span class="mono">{idOf(allocation.name)}</span>
              {shownName(allocation) !== allocation.machineTitle && ` · ${allocation.machineTitle}`}
            </div>
          </div>
        </div>
      </td>
      <td class="cell-state">
        <AllocationChip state={state} />
        {progress && <div class="small muted cell-why">{progress}</div>}
        {why && (
          <div class="small muted cell-why" title={why}>
            {why}
          </div>
        )}
        {state === "PENDING" && queue && (
          <div class="small muted cell-why">{placeWords(queue.position, queue.length)}</div>
        )}
        {!gone && planned?.time && (
          <div class="small muted cell-why" title={planned.reason?.message}>
            {plannedWords(planned)}
          </div>
        )}
      </td>
      <td class="cell-address">
        {gone ? <span class="faint">–</span> : <Address allocation={allocation} />}
      </td>
      {owners && <td class="mono small">{idOf(allocation.owner)}</td>}
      <td class="small muted cell-when">
        <When time={allocation.createTime} />
      </td>
      <td class="cell-actions">{!gone && <Actions allocation={allocation} small />}</td>
    </tr>
  );
}
