// A field whose words are asked for when the typing rests.

import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "./icons";

/** How long one waits for the next letter. */
const REST_MS = 250;

/** A search field: calls back when the typing rests, and at once on Enter and when it is emptied. */
export function SearchField({
  label,
  placeholder = label,
  value,
  onChange,
}: {
  label: string;
  placeholder?: string;
  value: string;
  onChange: (value: string) => void;
}) {
  const [text, setText] = useState(value);
  const timer = useRef(0);
  const sent = useRef(value);
  // The value has changed by itself: by going back in the browser, perhaps.
  useEffect(() => {
    if (value !== sent.current) setText(value);
    sent.current = value;
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const send = (typed: string) => {
    clearTimeout(timer.current);
    sent.current = typed;
    onChange(typed);
  };
  return (
    <label class="search">
      <Icon name="search" />
      <input
        type="search"
        placeholder={placeholder}
        aria-label={label}
        maxLength={200}
        value={text}
        onInput={(event) => {
          const typed = event.currentTarget.value;
          setText(typed);
          clearTimeout(timer.current);
          timer.current = window.setTimeout(() => send(typed), typed ? REST_MS : 0);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") send(event.currentTarget.value);
        }}
      />
    </label>
  );
}
