// What allocations keep: a person's volumes, also those that no allocation has.

import { useEffect, useState } from "preact/hooks";
import {
  deleteVolume,
  listVolumes,
  updateVolume,
  uploadVolume,
  type AllocationsVolume as Volume,
} from "../api/generated";
import { confirmed } from "../parts/dialog";
import { TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { Icon } from "../parts/icons";
import { idOf } from "../parts/machines";
import { Modal } from "../parts/modal";
import { Empty, Page, Waiting } from "../parts/page";
import { More, usePaged } from "../parts/paged";
import { complain, say } from "../parts/toasts";
import { sendFile } from "../parts/transfers";
import { fetchVolume, isReadable, VolumeSize, VolumeTag, volumeName } from "../parts/volumes";
import { When } from "../parts/when";
import { isAdmin } from "../session/session";
import { FormFault } from "./entry";

const SHOWN = [
  ["", "All"],
  ["state = DETACHED", "Detached"],
  ["state = IN_USE", "In use"],
] as const;

/** How long until a volume that is being filled or removed is looked at again. */
const SETTLE_MS = 1500;

export function VolumesPage() {
  const [filter, setFilter] = useState("");
  const [everybody, setEverybody] = useState(false);
  const [uploading, setUploading] = useState<File | true | undefined>(undefined);
  const [over, setOver] = useState(false);
  const list = usePaged(
    async (pageToken, signal) => {
      const parent = everybody ? "users/-" : "";
      const request = { parent, filter, pageSize: 50, pageToken };
      const answer = await listVolumes(request, { signal });
      return { items: answer.volumes, nextPageToken: answer.nextPageToken };
    },
    [filter, everybody],
  );
  const moving = list.items?.some(({ state }) => state === "DELETING" || state === "UPLOADING");
  useEffect(() => {
    if (!moving || list.busy) return;
    const timer = setTimeout(list.again, SETTLE_MS);
    return () => clearTimeout(timer);
  }, [moving, list.busy, list.items]);
  const put = (changed: Volume) =>
    list.change((all) => all.map((one) => (one.name === changed.name ? changed : one)));
  return (
    <Page
      title="Volumes"
      actions={
        <button type="button" class="button primary" onClick={() => setUploading(true)}>
          <Icon name="upload" />
          Upload
        </button>
      }
    >
      <div class="tools">
        <div class="segments" role="group" aria-label="Which volumes">
          {SHOWN.map(([value, label]) => (
            <button
              key={value}
              type="button"
              aria-pressed={filter === value}
              onClick={() => setFilter(value)}
            >
              {label}
            </button>
          ))}
        </div>
        {isAdmin() && (
          <div class="segments" role="group" aria-label="Whose volumes">
            <button type="button" aria-pressed={!everybody} onClick={() => setEverybody(false)}>
              Mine
            </button>
            <button type="button" aria-pressed={everybody} onClick={() => setEverybody(true)}>
              Everybody’s
            </button>
          </div>
        )}
      </div>
      <div
        role="region"
        aria-label="List of volumes"
        class={over ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          setUploading(event.dataTransfer?.files[0]);
        }}
      >
        {!list.items && list.busy && <Waiting />}
        {list.items?.length === 0 && (
          <Empty icon="disk" title={filter ? "None of that kind" : "No volumes"}>
            <p>
              Machines that keep something bring volumes of their own. A tar archive becomes one
              too: drop it here.
            </p>
          </Empty>
        )}
        {list.items && list.items.length > 0 && (
          <div class="table-box" aria-busy={list.busy}>
            <table class="table">
              <thead>
                <tr>
                  <th scope="col">Volume</th>
                  <th scope="col">State</th>
                  <th scope="col">Holds</th>
                  {everybody && <th scope="col">Owner</th>}
                  <th scope="col">Made</th>
                  <th scope="col">
                    <span class="out-of-sight">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {list.items.map((volume) => (
                  <Line key={volume.name} volume={volume} owner={everybody} onChange={put} />
                ))}
              </tbody>
            </table>
          </div>
        )}
        <More list={list} />
      </div>
      {uploading && (
        <Upload
          first={uploading === true ? undefined : uploading}
          onClose={() => setUploading(undefined)}
          onThere={list.again}
        />
      )}
    </Page>
  );
}

function Line({
  volume,
  owner,
  onChange,
}: {
  volume: Volume;
  owner: boolean;
  onChange: (volume: Volume) => void;
}) {
  const [busy, setBusy] = useState(false);
  const [renaming, setRenaming] = useState(false);
  const { name, state, allocation } = volume;
  const shown = volumeName(volume);
  const remove = async () => {
    const text = "What is in it is gone for good. This cannot be undone.";
    if (!(await confirmed(`Delete ${shown}?`, text, "Delete"))) return;
    setBusy(true);
    try {
      onChange(await deleteVolume({ name, etag: volume.etag }));
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <tr data-name={name}>
      <td>
        <div class="strong row tight">
          {shown}
          <button
            type="button"
            class="quiet"
            title="Rename"
            aria-label={`Rename ${shown}`}
            onClick={() => setRenaming(true)}
          >
            <Icon name="pencil" />
          </button>
        </div>
        <div class="faint small">
          <span class="mono">{idOf(name)}</span>
          {volume.path && (
            <>
              {" · "}
              <span class="mono">{volume.path}</span>
            </>
          )}
        </div>
        {renaming && (
          <Rename volume={volume} onClose={() => setRenaming(false)} onChange={onChange} />
        )}
      </td>
      <td class="cell-state">
        <VolumeTag state={state} />
        {allocation && (
          <div class="small">
            <a href={`/${allocation}`}>{idOf(allocation)}</a>
          </div>
        )}
      </td>
      <td class="cell-share">
        <VolumeSize volume={volume} />
      </td>
      {owner && <td class="mono small">{idOf(volume.owner)}</td>}
      <td class="cell-when small muted">
        <When time={volume.createTime} />
      </td>
      <td class="cell-actions">
        <div class="actions" role="group" aria-label={`Actions on ${shown}`}>
          <button
            type="button"
            class="button icon-only"
            title="Download"
            aria-label="Download"
            disabled={!isReadable(volume)}
            onClick={() => void fetchVolume(volume)}
          >
            <Icon name="download" />
          </button>
          <button
            type="button"
            class="button icon-only danger-quiet"
            title={state === "IN_USE" ? "It is in use: remove its allocation first" : "Delete"}
            aria-label="Delete"
            aria-busy={busy}
            disabled={busy || (state !== "DETACHED" && state !== "LOST")}
            onClick={() => void remove()}
          >
            <Icon name="trash" />
          </button>
        </div>
      </td>
    </tr>
  );
}

function Rename({
  volume,
  onClose,
  onChange,
}: {
  volume: Volume;
  onClose: () => void;
  onChange: (volume: Volume) => void;
}) {
  const [displayName, setDisplayName] = useState(volumeName(volume));
  const sending = useSending(async () => {
    const { name } = volume;
    const changed = { name, displayName: displayName.trim() };
    onChange(await updateVolume({ volume: changed, updateMask: "displayName" }));
    onClose();
  });
  return (
    <Modal title="Rename the volume" onClose={onClose}>
      <form class="stack" onSubmit={sending.submit}>
        <FormFault text={sending.rest("displayName")} />
        <TextField
          label="Name"
          autofocus
          maxLength={80}
          value={displayName}
          onChange={setDisplayName}
          error={sending.field("displayName")}
        />
        <div class="row end">
          <button type="submit" class="button primary" disabled={sending.busy}>
            Save
          </button>
        </div>
      </form>
    </Modal>
  );
}

function Upload({
  first,
  onClose,
  onThere,
}: {
  first: File | undefined;
  onClose: () => void;
  onThere: () => void;
}) {
  const [file, setFile] = useState(first);
  const [displayName, setDisplayName] = useState(called(first));
  const [path, setPath] = useState("");
  const send = (event: Event) => {
    event.preventDefault();
    if (!file) return;
    const title = displayName.trim() || file.name;
    const request = { displayName: displayName.trim(), path: path.trim(), archive: file };
    void sendFile(title, file, async (options) => {
      await uploadVolume(request, options);
      say(`${title} is a volume now.`);
      onThere();
    });
    onClose();
  };
  return (
    <Modal title="Upload a volume" onClose={onClose}>
      <form class="stack" onSubmit={send}>
        <p class="muted">
          What is in the archive becomes a volume that a new allocation can be given. It may be of
          any length that your quota allows.
        </p>
        <div class="field">
          <label for="archive">Archive</label>
          <input
            id="archive"
            type="file"
            accept=".tar,.tgz,.gz,application/x-tar,application/gzip"
            onChange={(event) => {
              const chosen = event.currentTarget.files?.[0];
              setFile(chosen);
              if (!displayName || displayName === called(file)) setDisplayName(called(chosen));
            }}
          />
          <div class="note">{file ? file.name : "tar, plain or packed with gzip"}</div>
        </div>
        <TextField
          label="What you call it"
          optional
          maxLength={80}
          value={displayName}
          onChange={setDisplayName}
        />
        <TextField
          label="Path in the machine"
          hint="Where a program is meant to find it; you can choose another one when you rent."
          optional
          mono
          placeholder="/data"
          maxLength={255}
          value={path}
          onChange={setPath}
        />
        <div class="row end">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={!file}>
            Upload
          </button>
        </div>
      </form>
    </Modal>
  );
}

/** What a file is called without what its end says. */
const called = (file: File | undefined): string =>
  (file?.name ?? "").replace(/\.(tar\.gz|tgz|tar|gz)$/i, "").slice(0, 80);
