// Sending a form: once at a time, with what was wrong kept for the fields.

import { useState } from "preact/hooks";
import { ApiError, sentence } from "../api/faults";

export interface Sending {
  busy: boolean;
  /** What was wrong with the last attempt. */
  error: unknown;
  /** What was wrong with a field, by the end of its path. */
  field: (name: string) => string | undefined;
  /** What was wrong, where none of these fields says so itself; empty where nothing was. */
  rest: (...shown: string[]) => string;
  fail: (error: unknown) => void;
  submit: (event?: Event) => void;
}

/** Runs the work when the form is sent. */
export function useSending(work: () => Promise<void>): Sending {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const fault = error instanceof ApiError ? error : undefined;
  const run = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await work();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return {
    busy,
    error,
    field: (name) => fault?.field(name),
    rest: (...shown) => {
      if (!error || shown.some((name) => fault?.field(name))) return "";
      const named = fault?.fields.map((one) => `${one.field}: ${one.message}`).join("; ");
      return named ? `${sentence(error)} (${named})` : sentence(error);
    },
    fail: setError,
    submit: (event) => {
      event?.preventDefault();
      if (!busy) void run();
    },
  };
}
