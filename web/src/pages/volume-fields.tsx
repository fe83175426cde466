// The fields of one volume of a machine.

import { useState } from "preact/hooks";
import type { MachinesVolume } from "../api/generated";
import { SelectField, TextField } from "../parts/field";
import { amountIn, MIB_IN, mibOf, type SizeUnit, unitFor } from "./volume-size";

const UNITS = (Object.keys(MIB_IN) as SizeUnit[]).map((unit) => [unit, unit] as const);

export function VolumeFields({
  volume,
  onChange,
  field,
}: {
  volume: MachinesVolume;
  onChange: (volume: MachinesVolume) => void;
  field: (name: string) => string | undefined;
}) {
  const [unit, setUnit] = useState<SizeUnit>(unitFor(volume.sizeMib));
  return (
    <div class="four volume">
      <TextField
        label="Path"
        mono
        required
        maxLength={255}
        placeholder="/data"
        spellcheck={false}
        value={volume.path}
        onChange={(path) => onChange({ ...volume, path })}
        error={field("path")}
      />
      <TextField
        label="Room"
        type="number"
        min={1}
        required
        value={amountIn(volume.sizeMib, unit)}
        onChange={(amount) => onChange({ ...volume, sizeMib: mibOf(amount, unit) })}
        error={field("sizeMib")}
      />
      <SelectField
        label="Unit"
        value={unit}
        onChange={(chosen) => {
          const next = chosen as SizeUnit;
          onChange({ ...volume, sizeMib: mibOf(amountIn(volume.sizeMib, unit), next) });
          setUnit(next);
        }}
        choices={UNITS}
      />
      <TextField
        label="What it is for"
        optional
        maxLength={40}
        placeholder="database files"
        value={volume.title}
        onChange={(title) => onChange({ ...volume, title })}
        error={field("title")}
      />
    </div>
  );
}
