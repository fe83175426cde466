// For admins: the hosts that instances run on.

import { useEffect, useState } from "preact/hooks";
import { activateNode, drainNode, listNodes, type Node } from "../../api/generated";
import { bytes, cores } from "../../parts/bytes";
import { asked } from "../../parts/dialog";
import { idOf } from "../../parts/machines";
import { Empty, Waiting } from "../../parts/page";
import { More, usePaged } from "../../parts/paged";
import { complain, say } from "../../parts/toasts";
import { When } from "../../parts/when";
import { AdminFrame } from "./page";

/** How often the nodes are looked at again. */
const ROUND_MS = 5000;

export function NodesPage() {
  const list = usePaged(async (pageToken, signal) => {
    const answer = await listNodes({ pageSize: 100, pageToken }, { signal });
    return { items: answer.nodes, nextPageToken: answer.nextPageToken };
  }, []);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && list.again(), ROUND_MS);
    return () => clearInterval(timer);
  }, []);
  const put = (changed: Node) =>
    list.change((all) => all.map((one) => (one.name === changed.name ? changed : one)));
  return (
    <AdminFrame title="Nodes">
      {!list.items && list.busy && <Waiting />}
      {list.items?.length === 0 && <Empty icon="server" title="No node is known" />}
      {list.items && list.items.length > 0 && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Node</th>
                <th scope="col">State</th>
                <th scope="col">Has</th>
                <th scope="col">Allocations</th>
                <th scope="col">Last heard of</th>
                <th scope="col">
                  <span class="out-of-sight">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {list.items.map((node) => (
                <Line key={node.name} node={node} onChange={put} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <More list={list} />
    </AdminFrame>
  );
}

const STATES: Record<Node["state"], readonly [word: string, look: string]> = {
  STATE_UNSPECIFIED: ["not known", "warn"],
  READY: ["answers", "good"],
  DOWN: ["down", "bad"],
  UNKNOWN: ["not known", "warn"],
};

function Line({ node, onChange }: { node: Node; onChange: (node: Node) => void }) {
  const [busy, setBusy] = useState(false);
  const { name } = node;
  const shown = node.displayName || idOf(name);
  const drained = node.availability === "DRAINED";
  const [word, look] = STATES[node.state];
  const run = async (work: () => Promise<Node>, done: string) => {
    setBusy(true);
    try {
      onChange(await work());
      say(done);
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  const drain = async () => {
    const text =
      node.allocations > 0
        ? `The owners of ${node.allocations === 1 ? "the allocation" : `the ${node.allocations} allocations`} there are told. What can run elsewhere moves, and nothing new comes.`
        : "Nothing new comes.";
    const reason = await asked(`Drain ${shown}?`, {
      label: "Why",
      hint: node.allocations > 0 ? `${text} They read this.` : text,
      send: "Drain",
      most: 200,
      optional: true,
    });
    if (reason === undefined) return;
    await run(() => drainNode({ name, reason }), `${shown} takes nothing more.`);
  };
  const activate = () => run(() => activateNode({ name }), `${shown} takes instances again.`);
  return (
    <tr data-name={name}>
      <td>
        <div class="strong">{shown}</div>
        <div class="faint small">
          <span class="mono">{idOf(name)}</span> · {node.runtime}
          {node.host && ` · ${node.host}`}
        </div>
      </td>
      <td class="cell-state">
        <div class="row wrap tags">
          <span class={`tag ${look}`}>{word}</span>
          {drained && <span class="tag warn">drained</span>}
          {node.failures > 0 && <span class="tag">lost {node.failures} times of late</span>}
        </div>
        {node.stateReason?.message && (
          <div class="small muted">
            {node.stateReason.message} <When time={node.stateTime} />
          </div>
        )}
      </td>
      <td class="cell-number small">
        {node.cpuMillis > 0 && cores(node.cpuMillis)}
        {Number(node.memoryBytes) > 0 && <div>{bytes(Number(node.memoryBytes))} memory</div>}
      </td>
      <td class="cell-number">{node.allocations}</td>
      <td class="cell-when small muted">
        <When time={node.observedTime} />
      </td>
      <td class="cell-actions">
        <div class="actions" role="group" aria-label={`Actions on ${shown}`}>
          <button
            type="button"
            class="button small"
            disabled={busy}
            onClick={() => void (drained ? activate() : drain())}
          >
            {drained ? "Activate" : "Drain…"}
          </button>
        </div>
      </td>
    </tr>
  );
}
