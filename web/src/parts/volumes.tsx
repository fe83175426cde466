// What pages say of volumes, and how one is fetched.

import {
  downloadVolume,
  type AllocationsVolume as Volume,
  type VolumeState,
} from "../api/generated";
import { bytes } from "./bytes";
import { idOf } from "./machines";
import { fetchFile } from "./transfers";

const STATES: Record<VolumeState, readonly [word: string, look: string]> = {
  STATE_UNSPECIFIED: ["unknown", ""],
  UPLOADING: ["being filled", "warn"],
  IN_USE: ["in use", "good"],
  DETACHED: ["detached", "accent"],
  DELETING: ["being removed", "warn"],
  LOST: ["lost", "bad"],
};

/** What a volume's state is, in a word. */
export function VolumeTag({ state }: { state: VolumeState }) {
  const [word, look] = STATES[state];
  return (
    <span class={`tag ${look}`} data-state={state}>
      {word}
    </span>
  );
}

export const volumeName = (volume: Volume): string => volume.displayName || idOf(volume.name);

/** Whether there is something that can be read. */
export const isReadable = ({ state }: Volume): boolean =>
  state === "IN_USE" || state === "DETACHED";

/** Up to how many bytes an archive is packed: more would keep a processor busy for long. */
const PACKED_BYTES = 256 * 1024 * 1024;

/** Fetches what is in a volume as a tar archive. */
export function fetchVolume(volume: Volume): Promise<void> {
  const { name } = volume;
  const size = Number(volume.sizeBytes);
  const packed = size <= PACKED_BYTES;
  return fetchFile(volumeName(volume), `${idOf(name)}.tar${packed ? ".gz" : ""}`, size, (options) =>
    downloadVolume({ name, compression: packed ? "GZIP" : undefined }, { ...options }),
  );
}

const MIB = 1024 * 1024;

/** How much a volume holds of what it may, as a bar and in words. */
export function VolumeSize({ volume }: { volume: Volume }) {
  if (!volume.measureTime) return <span class="faint">not measured yet</span>;
  const held = Number(volume.sizeBytes);
  if (volume.sizeLimitMib === 0) return <span class="small">{bytes(held)}</span>;
  const limit = volume.sizeLimitMib * MIB;
  return <Share used={held} limit={limit} text={bytes} label={`Held by ${volumeName(volume)}`} />;
}

/** How much is used of what there may be; a limit below nothing is none. */
export function Share({
  used,
  limit,
  text,
  label,
}: {
  used: number;
  limit: number;
  text: (amount: number) => string;
  label: string;
}) {
  const full = limit > 0 ? used / limit : used > 0 && limit === 0 ? 1 : 0;
  const look = full >= 1 ? "share full" : full >= 0.8 ? "share high" : "share";
  return (
    <div class={look}>
      <span class="share-words">
        {text(used)}
        <span class="muted">{limit < 0 ? ", no limit" : ` of ${text(limit)}`}</span>
      </span>
      {limit > 0 && <meter aria-label={label} min={0} max={limit} value={Math.min(used, limit)} />}
    </div>
  );
}
