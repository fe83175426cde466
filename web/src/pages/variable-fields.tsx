// One variable of a machine.

import type { Variable } from "../api/generated";
import { AreaField, CheckField, SecretField, TextField } from "../parts/field";

export function VariableFields({
  variable,
  onChange,
  field,
}: {
  variable: Variable;
  onChange: (variable: Variable) => void;
  field: (name: string) => string | undefined;
}) {
  const set = (change: Partial<Variable>) => onChange({ ...variable, ...change });
  const ofDefault = {
    label: "Default",
    optional: true,
    value: variable.defaultValue,
    onChange: (defaultValue: string) => set({ defaultValue }),
    error: field("defaultValue"),
  };
  return (
    <div class="stack tight">
      <div class="two">
        <TextField
          label="Key"
          mono
          placeholder="API_TOKEN"
          maxLength={64}
          spellcheck={false}
          value={variable.key}
          onChange={(key) => set({ key })}
          error={field("key")}
        />
        <TextField
          label="Title"
          optional
          maxLength={80}
          value={variable.title}
          onChange={(title) => set({ title })}
          error={field("title")}
        />
      </div>
      <TextField
        label="Explanation"
        optional
        maxLength={500}
        value={variable.description}
        onChange={(description) => set({ description })}
        error={field("description")}
      />
      <div class="two">
        {variable.secret ? <SecretField {...ofDefault} /> : <TextField {...ofDefault} mono />}
        <TextField
          label="Pattern"
          optional
          mono
          placeholder="[a-z]+"
          maxLength={500}
          spellcheck={false}
          hint="A regular expression for the whole value."
          value={variable.pattern}
          onChange={(pattern) => set({ pattern })}
          error={field("pattern")}
        />
      </div>
      <AreaField
        label="Choices"
        optional
        mono
        rows={Math.max(2, variable.choices.length)}
        hint="One on each line; empty for any value."
        value={variable.choices.join("\n")}
        onChange={(text) => set({ choices: text === "" ? [] : text.split("\n") })}
        error={field("choices")}
      />
      <div class="row wrap">
        <CheckField
          label="Required"
          checked={variable.required}
          onChange={(required) => set({ required })}
        />
        <CheckField
          label="Secret: stored encrypted, never shown again"
          checked={variable.secret}
          onChange={(secret) => set({ secret })}
        />
      </div>
      {variable.secret && (
        <CheckField
          label={`Make one up, of ${variable.generatedLength || 24} letters and digits, for whoever gives none`}
          checked={variable.generatedLength > 0}
          onChange={(on) => set({ generatedLength: on ? variable.generatedLength || 24 : 0 })}
        />
      )}
    </div>
  );
}
