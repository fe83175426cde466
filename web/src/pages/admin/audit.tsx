// For admins: what admins have done.

import { useState } from "preact/hooks";
import { type AuditEvent, exportAuditEvents, listAuditEvents } from "../../api/generated";
import { saveFile } from "../../parts/download";
import { joined, quoted } from "../../parts/filter";
import { Icon } from "../../parts/icons";
import { Empty, Waiting } from "../../parts/page";
import { More, usePaged } from "../../parts/paged";
import { complain, say } from "../../parts/toasts";
import { SearchField } from "../../parts/typing";
import { When } from "../../parts/when";
import { AdminFrame } from "./page";
import { shortMethod } from "./words";

const KINDS = [
  ["", "All"],
  ['resource : "users/"', "People"],
  ['resource : "machines/"', "Machines"],
  ['resource : "allocations/"', "Allocations"],
  ['resource : "deadLetters"', "Dead letters"],
] as const;

const SINCE = [
  ["", "Ever"],
  ["1", "In the last day"],
  ["7", "In the last week"],
  ["30", "In the last month"],
] as const;

const DAY_MS = 86_400_000;

export function AuditPage() {
  const [kind, setKind] = useState<string>("");
  const [wanted, setWanted] = useState("");
  const [days, setDays] = useState("");
  const [from, setFrom] = useState("");
  const filter = joined(
    kind,
    wanted.trim() && `resource : ${quoted(wanted.trim())}`,
    from && `time > ${quoted(from)}`,
  );
  const list = usePaged(
    async (pageToken, signal) => {
      const answer = await listAuditEvents({ filter, pageSize: 50, pageToken }, { signal });
      return { items: answer.auditEvents, nextPageToken: answer.nextPageToken };
    },
    [filter],
  );
  const choose = (value: string) => {
    setDays(value);
    setFrom(value ? new Date(Date.now() - Number(value) * DAY_MS).toISOString() : "");
  };
  return (
    <AdminFrame title="Audit trail" actions={<Export filter={filter} />}>
      <div class="tools">
        <select
          aria-label="Of what"
          value={kind}
          onChange={(event) => setKind(event.currentTarget.value)}
        >
          {KINDS.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
        <select
          aria-label="Since when"
          value={days}
          onChange={(event) => choose(event.currentTarget.value)}
        >
          {SINCE.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
        <SearchField
          label="Search what it was done to"
          placeholder="machines/redis, users/…"
          value={wanted}
          onChange={setWanted}
        />
      </div>
      {!list.items && list.busy && <Waiting />}
      {list.items?.length === 0 && (
        <Empty icon="list" title={filter ? "Nothing fits" : "No admin has done anything yet"} />
      )}
      {list.items && list.items.length > 0 && (
        <div class="table-box" aria-busy={list.busy}>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">What</th>
                <th scope="col">To what</th>
                <th scope="col">By which call</th>
              </tr>
            </thead>
            <tbody>
              {list.items.map((event) => (
                <Line key={event.name} event={event} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <More list={list} />
    </AdminFrame>
  );
}

function Line({ event }: { event: AuditEvent }) {
  return (
    <tr data-name={event.name}>
      <td class="cell-when small muted">
        <When time={event.time} />
      </td>
      <td>
        <div>{event.text}</div>
        <div class="faint small">
          {event.actorName && `${event.actorName} · `}
          <span class="mono">{event.actor}</span>
        </div>
      </td>
      <td class="small mono">{event.resource || "–"}</td>
      <td class="small mono" title={event.traceId && `trace ${event.traceId}`}>
        {shortMethod(event.method) || "–"}
      </td>
    </tr>
  );
}

function Export({ filter }: { filter: string }) {
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    try {
      const lines: string[] = [];
      for await (const { auditEvent } of exportAuditEvents({ filter })) {
        if (auditEvent) lines.push(`${JSON.stringify(auditEvent)}\n`);
      }
      saveFile("audit-trail.ndjson", new Blob(lines, { type: "application/x-ndjson" }));
      say(lines.length === 1 ? "1 entry is exported." : `${lines.length} entries are exported.`);
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <button type="button" class="button" disabled={busy} onClick={() => void save()}>
      <Icon name="download" />
      {busy ? "Exporting…" : "Export"}
    </button>
  );
}
