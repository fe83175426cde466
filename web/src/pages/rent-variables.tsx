// The variables that a machine takes, as fields.

import { useState } from "preact/hooks";
import { ApiError } from "../api/faults";
import type { Variable } from "../api/generated";
import { SecretField, SelectField, TextField } from "../parts/field";

/** What a variable's field begins with. */
export function firstValue(variable: Variable): string {
  if (variable.defaultValue) return variable.defaultValue;
  // A choice without a default begins with nothing chosen, unless there is nothing to choose.
  return variable.choices.length === 1 ? (variable.choices[0] ?? "") : "";
}

/** What the server says of each variable, by its key. */
export function variableFaults(error: unknown, sent: readonly string[]): Record<string, string> {
  if (!(error instanceof ApiError)) return {};
  const found: Record<string, string> = {};
  for (const { field, message } of error.fields) {
    const place = /variables(?:\[|\.)([^\].]+)/.exec(field)?.[1];
    if (place !== undefined)
      found[/^\d+$/.test(place) ? (sent[Number(place)] ?? place) : place] = message;
  }
  const named = error.metadata.variable ?? error.metadata.key;
  if (named && !found[named]) found[named] = error.message;
  return found;
}

/** The field of one variable of a machine. */
export function VariableField({
  variable,
  value,
  onChange,
  error,
}: {
  variable: Variable;
  value: string;
  onChange: (value: string) => void;
  error: string | undefined;
}) {
  const [left, setLeft] = useState(false);
  const unfit = left && value && !fitsPattern(variable.pattern, value);
  const hints = [
    variable.description,
    variable.secret ? "Stored encrypted, and never shown again." : "",
    variable.generatedLength > 0 ? "Left empty, one is made up and shown to you once." : "",
    unfit ? `It has to match ${variable.pattern}` : "",
  ].filter(Boolean);
  const frame = {
    label: (
      <>
        {variable.title || variable.key}{" "}
        {variable.title && <span class="mono faint small">{variable.key}</span>}
      </>
    ),
    hint: hints.join(" "),
    error: error ?? (unfit ? `It has to match ${variable.pattern}` : undefined),
    optional: !variable.required || variable.generatedLength > 0,
    value,
    onChange,
  };
  if (variable.choices.length > 0) {
    const none = variable.required && variable.defaultValue ? [] : [["", "Choose…"] as const];
    const choices = [...none, ...variable.choices.map((one) => [one, one] as const)];
    return <SelectField {...frame} choices={choices} />;
  }
  const traits = {
    name: `variable-${variable.key}`,
    required: variable.required && variable.generatedLength === 0,
    maxLength: 4096,
  };
  return (
    <div onFocusOut={() => setLeft(true)}>
      {variable.secret ? (
        <SecretField {...frame} {...traits} makeUp autocomplete="new-password" />
      ) : (
        <TextField {...frame} {...traits} autocomplete="off" spellcheck={false} />
      )}
    </div>
  );
}

/** Whether a value matches a pattern of the server's kind; true where the browser cannot tell. */
export function fitsPattern(pattern: string, value: string): boolean {
  if (!pattern) return true;
  try {
    return new RegExp(`^(?:${pattern})$`, "u").test(value);
  } catch {
    return true;
  }
}
