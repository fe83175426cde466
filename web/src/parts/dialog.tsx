// Questions that have to be answered before something goes on.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

export interface Choice<Answer extends string> {
  answer: Answer;
  label: string;
  look?: "primary" | "danger";
}

interface Question {
  title: string;
  body: ComponentChildren;
  choices: readonly Choice<string>[];
  settle(answer: string | undefined): void;
}

const question = signal<Question | undefined>(undefined);

/** Asks; answers with what was chosen, or undefined where the person turned away. */
export function ask<Answer extends string>(
  title: string,
  body: ComponentChildren,
  choices: readonly Choice<Answer>[],
): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    question.value = {
      title,
      body,
      choices,
      settle(answer) {
        question.value = undefined;
        resolve(answer as Answer | undefined);
      },
    };
  });
}

/** Asks whether to do something that cannot be undone. */
export async function confirmed(title: string, body: ComponentChildren, label: string) {
  return (await ask(title, body, [{ answer: "yes", label, look: "danger" }])) === "yes";
}

export function Dialogs() {
  const asked = question.value;
  return asked ? <Shown asked={asked} /> : null;
}

function Shown({ asked }: { asked: Question }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog by itself
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby="dialog-title"
      onClose={() => asked.settle(undefined)}
      onClick={(event) => {
        if (event.target === dialog.current) asked.settle(undefined);
      }}
    >
      <div class="dialog-inside">
        <h2 id="dialog-title">{asked.title}</h2>
        <div class="dialog-body">{asked.body}</div>
        <div class="row end">
          <button type="button" class="button" onClick={() => asked.settle(undefined)}>
            Cancel
          </button>
          {asked.choices.map(({ answer, label, look }) => (
            <button
              key={answer}
              type="button"
              class={`button ${look ?? ""}`}
              onClick={() => asked.settle(answer)}
            >
              {label}
            </button>
          ))}
        </div>
      </div>
    </dialog>
  );
}
