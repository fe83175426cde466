// What an allocation keeps, and the way to take it away.

import { type Allocation, downloadArchive, listVolumes } from "../api/generated";
import { shownName } from "../parts/actions";
import { quoted } from "../parts/filter";
import { Icon } from "../parts/icons";
import { idOf } from "../parts/machines";
import { Trouble, useLoaded } from "../parts/page";
import { fetchFile } from "../parts/transfers";
import { fetchVolume, isReadable, VolumeSize, VolumeTag } from "../parts/volumes";

export function Kept({ allocation }: { allocation: Allocation }) {
  const { name, volumes, state } = allocation;
  const loaded = useLoaded(
    async (signal) => {
      if (volumes.length === 0) return [];
      const filter = `allocation = ${quoted(name)}`;
      return (await listVolumes({ filter, parent: allocation.owner }, { signal })).volumes;
    },
    [name, state, volumes.length],
  );
  const size = (loaded.value ?? []).reduce((sum, one) => sum + Number(one.sizeBytes), 0);
  const everything = () =>
    fetchFile(`Everything of ${shownName(allocation)}`, `${idOf(name)}.zip`, size, (options) =>
      downloadArchive({ name }, options),
    );
  return (
    <section class="panel" aria-labelledby="kept">
      <h2 id="kept">What it keeps</h2>
      {volumes.length === 0 && (
        <p class="muted small">It has no volumes: a start afresh finds no files of before.</p>
      )}
      {loaded.error !== undefined && <Trouble error={loaded.error} again={loaded.again} />}
      <ul class="lines">
        {volumes.map(({ path, volume }) => {
          const found = loaded.value?.find((one) => one.name === volume);
          return (
            <li key={path} class="kept" data-volume={volume}>
              <div class="row between">
                <span class="mono">{path}</span>
                {found && found.state !== "IN_USE" && <VolumeTag state={found.state} />}
                <button
                  type="button"
                  class="quiet"
                  title="Download"
                  aria-label={`Download ${path}`}
                  disabled={!found || !isReadable(found)}
                  onClick={() => found && void fetchVolume(found)}
                >
                  <Icon name="download" />
                </button>
              </div>
              {found && <VolumeSize volume={found} />}
            </li>
          );
        })}
      </ul>
      <button type="button" class="button small wide kept-all" onClick={() => void everything()}>
        <Icon name="download" />
        Download everything
      </button>
      <p class="note">Its volumes, its log and the report of its use, as one zip.</p>
    </section>
  );
}
