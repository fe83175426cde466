// Fields of forms: a label, what may be written, and what is wrong with it.

import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { Icon } from "./icons";

export interface FieldFrame {
  label: ComponentChildren;
  hint?: ComponentChildren;
  /** What is wrong; the field is marked where it is set. */
  error?: string | undefined;
  optional?: boolean;
}

/** Takes the cursor when it is first shown: browsers heed `autofocus` only while a page loads. */
export const takeFocus = (element: HTMLElement | null): void => element?.focus();

interface Marks {
  id: string;
  "aria-invalid": boolean;
  "aria-describedby": string | undefined;
}

/** What stands around an input. */
export function Field({
  label,
  hint,
  error,
  optional,
  children,
}: FieldFrame & { children: (marks: Marks) => ComponentChildren }) {
  const id = useId();
  const described = error || hint ? `${id}-note` : undefined;
  return (
    <div class={error ? "field wrong" : "field"}>
      <label for={id}>
        {label}
        {optional && <span class="faint"> optional</span>}
      </label>
      {children({ id, "aria-invalid": Boolean(error), "aria-describedby": described })}
      {(error || hint) && (
        <div
          class={error ? "note error" : "note"}
          id={described}
          role={error ? "alert" : undefined}
        >
          {error || hint}
        </div>
      )}
    </div>
  );
}

interface Input {
  value: string;
  onChange: (value: string) => void;
  type?: "text" | "email" | "number" | "search";
  autocomplete?: string;
  autofocus?: boolean;
  inputMode?: "numeric" | "text";
  list?: string;
  maxLength?: number;
  minLength?: number;
  min?: number;
  max?: number;
  name?: string;
  placeholder?: string;
  required?: boolean;
  spellcheck?: boolean;
  mono?: boolean;
}

export function TextField({
  label,
  hint,
  error,
  optional,
  value,
  onChange,
  mono,
  ...input
}: FieldFrame & Input) {
  const frame = { label, hint, error, optional };
  return (
    <Field {...frame}>
      {(marks) => (
        <input
          type="text"
          {...(input as object)}
          {...marks}
          ref={input.autofocus ? takeFocus : null}
          class={mono ? "mono" : ""}
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** A password or another secret: hidden unless asked to be shown; may be made up at random. */
export function SecretField({
  label,
  hint,
  error,
  optional,
  value,
  onChange,
  makeUp = false,
  mono,
  ...input
}: FieldFrame & Input & { makeUp?: boolean }) {
  const [shown, setShown] = useState(false);
  const frame = { label, hint, error, optional };
  return (
    <Field {...frame}>
      {(marks) => (
        <div class="joined">
          <input
            autocomplete="off"
            spellcheck={false}
            {...(input as object)}
            {...marks}
            {...({ type: shown ? "text" : "password" } as object)}
            ref={input.autofocus ? takeFocus : null}
            class={shown || mono ? "mono" : ""}
            value={value}
            onInput={(event) => onChange(event.currentTarget.value)}
          />
          {makeUp && (
            <button
              type="button"
              class="button icon-only"
              title="Make one up"
              aria-label="Make one up"
              onClick={() => {
                onChange(madeUp());
                setShown(true);
              }}
            >
              <Icon name="dice" />
            </button>
          )}
          <button
            type="button"
            class="button icon-only"
            title={shown ? "Hide" : "Show"}
            aria-label={shown ? "Hide" : "Show"}
            aria-pressed={shown}
            onClick={() => setShown(!shown)}
          >
            <Icon name="eye" />
          </button>
        </div>
      )}
    </Field>
  );
}

const LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/** 24 letters and digits at random: some 138 bits. */
function madeUp(): string {
  let text = "";
  while (text.length < 24) {
    const [byte] = crypto.getRandomValues(new Uint8Array(1));
    // Numbers past the last multiple would make the first letters likelier.
    if ((byte as number) < 256 - (256 % LETTERS.length)) {
      text += LETTERS[(byte as number) % LETTERS.length];
    }
  }
  return text;
}

export function SelectField({
  label,
  hint,
  error,
  optional,
  value,
  onChange,
  choices,
}: FieldFrame & {
  value: string;
  onChange: (value: string) => void;
  choices: readonly (readonly [value: string, label: string])[];
}) {
  const frame = { label, hint, error, optional };
  return (
    <Field {...frame}>
      {(marks) => (
        <select {...marks} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
          {choices.map(([one, shown]) => (
            <option key={one} value={one}>
              {shown}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export function AreaField({
  label,
  hint,
  error,
  optional,
  value,
  onChange,
  rows = 4,
  mono = false,
  ...input
}: FieldFrame & {
  value: string;
  onChange: (value: string) => void;
  rows?: number;
  mono?: boolean;
  maxLength?: number;
  autofocus?: boolean;
  name?: string;
  placeholder?: string;
}) {
  const frame = { label, hint, error, optional };
  return (
    <Field {...frame}>
      {(marks) => (
        <textarea
          {...(input as object)}
          {...marks}
          ref={input.autofocus ? takeFocus : null}
          rows={rows}
          class={mono ? "mono" : ""}
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

export function CheckField({
  label,
  checked,
  onChange,
}: {
  label: ComponentChildren;
  checked: boolean;
  onChange: (checked: boolean) => void;
}) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={checked}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <span>{label}</span>
    </label>
  );
}
