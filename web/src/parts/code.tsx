// Codes of six digits: where they are typed, and how long until another can be had.

import { useEffect, useId, useState } from "preact/hooks";
import { takeFocus } from "./field";

export const DIGITS = 6;
/** How long a code is not sent again, as far as this page knows before the server has said so. */
export const REST_SECONDS = 60;

/** One input that looks like six: pasting, filling in and screen readers work as with any other. */
export function CodeField({
  value,
  onChange,
  error,
  label = "Code",
  autofocus = true,
}: {
  value: string;
  /** Gets digits only, at most six. */
  onChange: (value: string) => void;
  error?: string | undefined;
  label?: string;
  autofocus?: boolean;
}) {
  const id = useId();
  return (
    <div class={error ? "field wrong" : "field"}>
      <label for={id}>{label}</label>
      <div class="code">
        {Array.from({ length: DIGITS }, (_, at) => (
          <span key={at} class={at === value.length ? "digit next" : "digit"} aria-hidden="true">
            {value[at] ?? ""}
          </span>
        ))}
        <input
          id={id}
          name="code"
          inputMode="numeric"
          autocomplete="one-time-code"
          autofocus={autofocus}
          ref={autofocus ? takeFocus : null}
          required
          value={value}
          aria-invalid={Boolean(error)}
          aria-describedby={error ? `${id}-note` : undefined}
          onInput={(event) => {
            const digits = event.currentTarget.value.replace(/\D/g, "").slice(0, DIGITS);
            event.currentTarget.value = digits;
            onChange(digits);
          }}
        />
      </div>
      {error && (
        <div class="note error" id={`${id}-note`} role="alert">
          {error}
        </div>
      )}
    </div>
  );
}

/** Seconds that count down to 0, and what begins them anew. */
export function useCountdown(from: number): [seconds: number, start: (seconds: number) => void] {
  const [end, setEnd] = useState(() => Date.now() + from * 1000);
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const start = (seconds: number) => {
    setNow(Date.now());
    setEnd(Date.now() + seconds * 1000);
  };
  return [Math.max(0, Math.ceil((end - now) / 1000)), start];
}
