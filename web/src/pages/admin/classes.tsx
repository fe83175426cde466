// For admins: the sizes that machines come in.

import { useState } from "preact/hooks";
import { ApiError } from "../../api/faults";
import {
  createResourceClass,
  deleteResourceClass,
  getResourceClass,
  listResourceClasses,
  type ResourceClass,
  updateResourceClass,
} from "../../api/generated";
import { bytes, bytesOf, cores, writtenBytes } from "../../parts/bytes";
import { ask, confirmed } from "../../parts/dialog";
import { CheckField, TextField } from "../../parts/field";
import { useSending } from "../../parts/form";
import { Icon } from "../../parts/icons";
import { idOf } from "../../parts/machines";
import { Modal } from "../../parts/modal";
import { Empty, Trouble, useLoaded, Waiting } from "../../parts/page";
import { complain, say } from "../../parts/toasts";
import { FormFault } from "../entry";
import { AdminFrame } from "./page";

export function ClassesPage() {
  const [open, setOpen] = useState<ResourceClass | "new" | undefined>(undefined);
  const list = useLoaded((signal) => listResourceClasses({ pageSize: 1000 }, { signal }), []);
  const all = list.value?.resourceClasses;
  const remove = async (one: ResourceClass) => {
    const text = "Machines that name it can be rented no more until they name another one.";
    if (!(await confirmed(`Delete ${one.title || idOf(one.name)}?`, text, "Delete"))) return;
    try {
      await deleteResourceClass({ name: one.name, etag: one.etag });
      list.again();
    } catch (error) {
      complain(error);
    }
  };
  return (
    <AdminFrame
      title="Sizes"
      actions={
        <button type="button" class="button primary" onClick={() => setOpen("new")}>
          <Icon name="plus" />
          New size
        </button>
      }
    >
      <p class="muted">
        How much of a host an instance may use. Machines name one; a change counts for what is
        started after it.
      </p>
      {list.error !== undefined && <Trouble error={list.error} again={list.again} />}
      {!all && list.error === undefined && <Waiting />}
      {all?.length === 0 && <Empty icon="grid" title="No sizes" />}
      {all && all.length > 0 && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Size</th>
                <th scope="col">Processor</th>
                <th scope="col">Memory</th>
                <th scope="col">Processes</th>
                <th scope="col">Disk</th>
                <th scope="col">
                  <span class="out-of-sight">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {all.map((one) => (
                <tr key={one.name} data-name={one.name}>
                  <td>
                    <div class="row wrap tags">
                      <strong>{one.title || idOf(one.name)}</strong>
                      {one.isDefault && <span class="tag accent">default</span>}
                    </div>
                    <div class="faint small mono">{idOf(one.name)}</div>
                  </td>
                  <td class="cell-number">{cores(one.cpuMillis)}</td>
                  <td class="cell-number">
                    {bytes(Number(one.memoryBytes))} <span class="on-phones">memory</span>
                  </td>
                  <td class="cell-number">
                    {one.pids} <span class="on-phones">processes</span>
                  </td>
                  <td class="cell-number">
                    {Number(one.diskBytes) > 0 ? bytes(Number(one.diskBytes)) : "–"}{" "}
                    <span class="on-phones">disk</span>
                  </td>
                  <td class="cell-actions">
                    <div
                      class="actions"
                      role="group"
                      aria-label={`Actions on ${one.title || idOf(one.name)}`}
                    >
                      <button type="button" class="button small" onClick={() => setOpen(one)}>
                        Edit
                      </button>
                      <button
                        type="button"
                        class="button small danger-quiet"
                        onClick={() => void remove(one)}
                      >
                        Delete…
                      </button>
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {open && (
        <Edit
          one={open === "new" ? undefined : open}
          onClose={() => setOpen(undefined)}
          onSaved={list.again}
        />
      )}
    </AdminFrame>
  );
}

interface Draft {
  id: string;
  title: string;
  cpu: string;
  memory: string;
  pids: string;
  disk: string;
  isDefault: boolean;
}

const draftOf = (one: ResourceClass | undefined): Draft => ({
  id: one ? idOf(one.name) : "",
  title: one?.title ?? "",
  cpu: one ? String(one.cpuMillis / 1000) : "1",
  memory: one ? writtenBytes(Number(one.memoryBytes)) : "512 MB",
  pids: String(one?.pids ?? 256),
  disk: one ? writtenBytes(Number(one.diskBytes)) : "0 B",
  isDefault: one?.isDefault ?? false,
});

function Edit({
  one,
  onClose,
  onSaved,
}: {
  one: ResourceClass | undefined;
  onClose: () => void;
  onSaved: () => void;
}) {
  const [draft, setDraft] = useState(() => draftOf(one));
  const put = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  const memory = bytesOf(draft.memory);
  const disk = bytesOf(draft.disk || "0");
  const cpu = Math.round(Number(draft.cpu.replace(",", ".")) * 1000);
  const fit = memory !== undefined && disk !== undefined && cpu > 0 && Number(draft.pids) > 0;
  const sending = useSending(async () => {
    const fields = {
      title: draft.title.trim(),
      cpuMillis: cpu,
      memoryBytes: String(memory),
      pids: Number(draft.pids),
      diskBytes: String(disk),
      isDefault: draft.isDefault,
    };
    if (!one) {
      await createResourceClass({ resourceClassId: draft.id.trim(), resourceClass: fields });
    } else {
      const { name } = one;
      const save = (etag: string) =>
        updateResourceClass({
          resourceClass: { name, etag, ...fields },
          updateMask: Object.keys(fields).join(","),
        });
      try {
        await save(one.etag);
      } catch (error) {
        if (!(error instanceof ApiError) || error.reason !== "ETAG_STALE") throw error;
        const theirs = await getResourceClass({ name });
        const text = `It now has ${cores(theirs.cpuMillis)}, ${bytes(Number(theirs.memoryBytes))} of memory and ${theirs.pids} processes.`;
        const chosen = await ask("This size was changed meanwhile", text, [
          { answer: "theirs", label: "Show theirs" },
          { answer: "mine", label: "Save mine over it", look: "primary" },
        ]);
        if (chosen === "theirs") setDraft(draftOf(theirs));
        if (chosen !== "mine") return;
        await save(theirs.etag);
      }
    }
    say("Saved.");
    onSaved();
    onClose();
  });
  return (
    <Modal title={one ? `Edit ${one.title || idOf(one.name)}` : "New size"} onClose={onClose}>
      <form class="stack" onSubmit={sending.submit} noValidate>
        <FormFault
          text={sending.rest(
            "resourceClassId",
            "title",
            "cpuMillis",
            "memoryBytes",
            "pids",
            "diskBytes",
          )}
        />
        {!one && (
          <TextField
            label="Name in machines"
            mono
            autofocus
            required
            maxLength={63}
            placeholder="large"
            value={draft.id}
            onChange={(id) => put({ id })}
            error={sending.field("resourceClassId")}
          />
        )}
        <TextField
          label="Title"
          optional
          maxLength={80}
          placeholder="Large"
          value={draft.title}
          onChange={(title) => put({ title })}
          error={sending.field("title")}
        />
        <div class="two">
          <TextField
            label="Processor, cores"
            inputMode="numeric"
            value={draft.cpu}
            onChange={(value) => put({ cpu: value })}
            error={sending.field("cpuMillis") ?? (cpu > 0 ? undefined : "Write a number: 0.5, 2.")}
          />
          <TextField
            label="Memory"
            value={draft.memory}
            onChange={(value) => put({ memory: value })}
            error={
              sending.field("memoryBytes") ??
              (memory === undefined ? "Write an amount: 512 MB, 2 GB." : undefined)
            }
          />
          <TextField
            label="Processes and threads"
            inputMode="numeric"
            value={draft.pids}
            onChange={(pids) => put({ pids })}
            error={
              sending.field("pids") ?? (Number(draft.pids) > 0 ? undefined : "Write a number: 256.")
            }
          />
          <TextField
            label="Disk beside volumes"
            value={draft.disk}
            onChange={(value) => put({ disk: value })}
            error={
              sending.field("diskBytes") ??
              (disk === undefined ? "Write an amount: 0, 10 GB." : undefined)
            }
          />
        </div>
        <CheckField
          label="For machines that name none"
          checked={draft.isDefault}
          onChange={(isDefault) => put({ isDefault })}
        />
        <div class="row end">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            class="button primary"
            disabled={sending.busy || !fit || (!one && !draft.id.trim())}
          >
            {sending.busy ? "Saving…" : "Save"}
          </button>
        </div>
      </form>
    </Modal>
  );
}
