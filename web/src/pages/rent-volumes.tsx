// Which volumes a new allocation gets: new ones, or such that the person has already.

import { listVolumes, type Machine } from "../api/generated";
import { bytes } from "../parts/bytes";
import { SelectField } from "../parts/field";
import { useLoaded } from "../parts/page";
import { volumeName } from "../parts/volumes";

/** The chosen volumes by path; a path that is not there gets a new one. */
export type Chosen = Readonly<Record<string, string>>;

export function VolumeFields({
  machine,
  chosen,
  onChange,
  error,
}: {
  machine: Machine;
  chosen: Chosen;
  onChange: (chosen: Chosen) => void;
  error: string | undefined;
}) {
  const detached = useLoaded(
    async (signal) =>
      (await listVolumes({ filter: "state = DETACHED", pageSize: 1000 }, { signal })).volumes,
    [],
  );
  const own = detached.value ?? [];
  if (machine.volumes.length === 0 || own.length === 0) return null;
  return (
    <>
      {machine.volumes.map(({ path }, at) => (
        <SelectField
          key={path}
          label={
            <>
              Files in <span class="mono">{path}</span>
            </>
          }
          value={chosen[path] ?? ""}
          onChange={(volume) => {
            const { [path]: _, ...others } = chosen;
            onChange(volume ? { ...others, [path]: volume } : others);
          }}
          choices={[
            ["", "A new, empty volume"],
            ...own
              .filter(({ name }) => name === chosen[path] || !Object.values(chosen).includes(name))
              .map(
                (one) =>
                  [one.name, `${volumeName(one)} · ${bytes(Number(one.sizeBytes))}`] as const,
              ),
          ]}
          error={at === 0 ? error : undefined}
        />
      ))}
    </>
  );
}
