// Questions that have to be answered before something goes on.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { AreaField } from "./field";

export interface Choice<Answer extends string> {
  answer: Answer;
  label: string;
  look?: "primary" | "danger";
}

/** A line or two that have to be written before something goes on. */
export interface Writing {
  label: string;
  hint?: string;
  /** What the button says that goes on. */
  send: string;
  /** How many characters at most. */
  most: number;
  /** Whether nothing may be written. */
  optional?: boolean;
}

interface Question {
  title: string;
  body: ComponentChildren;
  choices: readonly Choice<string>[];
  writing?: Writing;
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

/** Asks for a text; answers with it, or undefined where the person turned away. */
export function asked(title: string, writing: Writing): Promise<string | undefined> {
  return new Promise((resolve) => {
    question.value = {
      title,
      body: null,
      choices: [],
      writing,
      settle(answer) {
        question.value = undefined;
        resolve(answer);
      },
    };
  });
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
        {asked.body && <div class="dialog-body">{asked.body}</div>}
        {asked.writing && <Write writing={asked.writing} settle={asked.settle} />}
        <div class="row end" hidden={Boolean(asked.writing)}>
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

function Write({
  writing,
  settle,
}: {
  writing: Writing;
  settle: (answer: string | undefined) => void;
}) {
  const [text, setText] = useState("");
  const written = text.trim();
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (written || writing.optional) settle(written);
      }}
    >
      <AreaField
        label={writing.label}
        hint={writing.hint}
        optional={writing.optional ?? false}
        rows={3}
        maxLength={writing.most}
        autofocus
        value={text}
        onChange={setText}
      />
      <div class="row end">
        <button type="button" class="button" onClick={() => settle(undefined)}>
          Cancel
        </button>
        <button type="submit" class="button danger" disabled={!written && !writing.optional}>
          {writing.send}
        </button>
      </div>
    </form>
  );
}
