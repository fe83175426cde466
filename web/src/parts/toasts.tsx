// Short messages about what has just happened.

import { signal } from "@preact/signals";
import { sentence } from "../api/faults";
import { Icon } from "./icons";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
  /** Where news lead, perhaps nowhere; undefined for what the person has just done. */
  to: string | undefined;
}

const toasts = signal<readonly Toast[]>([]);
let count = 0;

/** Says that something went well. */
export function say(text: string): void {
  show(text, false);
}

/** Says that something went wrong. */
export function complain(error: unknown): void {
  show(sentence(error), true);
}

/** Says what has happened elsewhere, and where one sees it. */
export function tell(text: string, to: string): void {
  show(text, false, to);
}

function show(text: string, bad: boolean, to?: string): void {
  count += 1;
  const id = count;
  toasts.value = [...toasts.value.slice(-2), { id, text, bad, to }];
  setTimeout(() => close(id), bad || to !== undefined ? 9000 : 4000);
}

function close(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div key={toast.id} class={toast.bad ? "toast bad" : "toast"}>
          <Icon name={toast.bad ? "alert" : toast.to !== undefined ? "bell" : "check"} />
          {toast.to ? (
            <a href={toast.to} onClick={() => close(toast.id)}>
              {toast.text}
            </a>
          ) : (
            <span>{toast.text}</span>
          )}
          <button type="button" class="quiet" aria-label="Close" onClick={() => close(toast.id)}>
            <Icon name="cross" />
          </button>
        </div>
      ))}
    </div>
  );
}
