// Short messages about what has just happened.

import { signal } from "@preact/signals";
import { sentence } from "../api/faults";
import { Icon } from "./icons";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
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

function show(text: string, bad: boolean): void {
  count += 1;
  const id = count;
  toasts.value = [...toasts.value.slice(-2), { id, text, bad }];
  setTimeout(() => close(id), bad ? 9000 : 4000);
}

function close(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div key={toast.id} class={toast.bad ? "toast bad" : "toast"}>
          <Icon name={toast.bad ? "alert" : "check"} />
          <span>{toast.text}</span>
          <button type="button" class="quiet" aria-label="Close" onClick={() => close(toast.id)}>
            <Icon name="cross" />
          </button>
        </div>
      ))}
    </div>
  );
}
