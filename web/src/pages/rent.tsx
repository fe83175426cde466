// The form that rents a machine.

import { useRef, useState } from "preact/hooks";
import { ApiError } from "../api/faults";
import { createAllocation, type Machine, type Variable } from "../api/generated";
import { requestId } from "../api/transport";
import { putEverywhere } from "../live/allocations";
import { SecretField, SelectField, TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { price, whyNot } from "../parts/machines";
import { navigate, place } from "../parts/router";
import { person, sessionState } from "../session/session";
import { FormFault } from "./entry";
import { rememberMadeUp } from "./made-up";
import { expectVerification } from "./verify";

export function Rent({ machine }: { machine: Machine }) {
  const why = whyNot(machine);
  const to = encodeURIComponent(place.value.path);
  if (why) return <p class="muted">{why}</p>;
  if (sessionState.value !== "in") {
    return (
      <div class="stack">
        <p class="muted">Log in to rent this machine.</p>
        <a class="button primary wide" href={`/login?to=${to}`}>
          Log in
        </a>
        <a class="button plain wide" href={`/signup?to=${to}`}>
          Sign up
        </a>
      </div>
    );
  }
  return <RentForm machine={machine} />;
}

function RentForm({ machine }: { machine: Machine }) {
  const [values, setValues] = useState<Record<string, string>>(() =>
    Object.fromEntries(machine.variables.map((variable) => [variable.key, firstValue(variable)])),
  );
  const [displayName, setDisplayName] = useState("");
  const attempt = useRef({ of: "", id: "" });

  const sending = useSending(async () => {
    const variables = machine.variables
      .map(({ key }) => ({ key, value: values[key] ?? "" }))
      .filter(({ value }) => value !== "");
    const allocation = { machine: machine.name, displayName: displayName.trim(), variables };
    // The same request sent again is the same rent; a changed one is another.
    const of = JSON.stringify(allocation);
    if (attempt.current.of !== of) attempt.current = { of, id: requestId() };
    const made = await createAllocation({ allocation, requestId: attempt.current.id });
    const shown = machine.variables.filter(({ key }) => !values[key]).map(({ key }) => key);
    rememberMadeUp(made, shown);
    putEverywhere(made, true);
    await navigate(`/${made.name}`);
  });

  const sent = machine.variables.filter(({ key }) => values[key]).map(({ key }) => key);
  const faults = variableFaults(sending.error, sent);
  const fault = sending.error instanceof ApiError ? sending.error : undefined;
  const told = Object.keys(faults).some((key) => key in values);
  const unverified = fault?.reason === "USER_NOT_VERIFIED" || person.value?.verified === false;

  return (
    <form class="stack" onSubmit={sending.submit} noValidate>
      {!told && <FormFault text={sending.rest("displayName")} />}
      {unverified && (
        <p class="note">
          Your address is not verified yet.{" "}
          <a href="/verify" onClick={() => expectVerification(person.value?.email ?? "", "")}>
            Enter the code
          </a>
        </p>
      )}
      {machine.variables.map((variable) => (
        <VariableField
          key={variable.key}
          variable={variable}
          value={values[variable.key] ?? ""}
          onChange={(value) => setValues({ ...values, [variable.key]: value })}
          error={faults[variable.key]}
        />
      ))}
      <TextField
        label="Your name for it"
        optional
        name="display-name"
        maxLength={80}
        placeholder={machine.title}
        value={displayName}
        onChange={setDisplayName}
        error={sending.field("displayName")}
      />
      <button type="submit" class="button primary wide" disabled={sending.busy}>
        {sending.busy ? "Renting…" : "Rent"}
        <span class="button-aside">{price(machine.pricePerHour)}</span>
      </button>
    </form>
  );
}

function firstValue(variable: Variable): string {
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

function VariableField({
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
