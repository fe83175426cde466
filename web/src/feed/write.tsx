// Where comments and answers are written and changed.

import { useState } from "preact/hooks";
import { type Comment, createComment, type LineReference } from "../api/generated";
import { requestId } from "../api/transport";
import { FormFault } from "../pages/entry";
import { AreaField } from "../parts/field";
import { useSending } from "../parts/form";
import { idOf } from "../parts/machines";

const LONGEST = 4000;

/** A new comment of a machine, or an answer to one. */
export function WriteComment({
  parent,
  replyTo = "",
  label,
  send,
  autofocus = false,
  line,
  onWithoutLine,
  onWritten,
  onCancel,
}: {
  parent: string;
  replyTo?: string;
  /** The line of a log that it is about. */
  line?: LineReference | undefined;
  onWithoutLine?: () => void;
  label: string;
  send: string;
  autofocus?: boolean;
  onWritten: (comment: Comment) => void;
  onCancel?: () => void;
}) {
  // The same text sent again is the same comment.
  const [id, setId] = useState(requestId);
  const write = async (text: string) => {
    onWritten(await createComment({ parent, comment: { text, replyTo, line }, requestId: id }));
    setId(requestId());
  };
  return (
    <>
      {line && (
        <p class="row about-line" data-line={line.cursor}>
          <span class="tag">
            About line {Number(line.cursor).toLocaleString("en")} of {idOf(line.allocation)}
          </span>
          <button type="button" class="link small" onClick={onWithoutLine}>
            Not about it
          </button>
        </p>
      )}
      <WriteText
        label={label}
        send={send}
        autofocus={autofocus}
        start=""
        work={write}
        {...(onCancel ? { onCancel } : {})}
      />
    </>
  );
}

/** A text of a comment: sent by its button, or with Ctrl and Enter. */
export function WriteText({
  label,
  send,
  start,
  autofocus = false,
  work,
  onCancel,
}: {
  label: string;
  send: string;
  start: string;
  autofocus?: boolean;
  work: (text: string) => Promise<void>;
  onCancel?: () => void;
}) {
  const [text, setText] = useState(start);
  const sending = useSending(async () => {
    await work(text.trim());
    setText("");
  });
  return (
    <form
      class="stack tight"
      onSubmit={sending.submit}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && text.trim()) {
          sending.submit(event);
        }
        if (event.key === "Escape") onCancel?.();
      }}
    >
      <AreaField
        label={label}
        rows={3}
        maxLength={LONGEST}
        autofocus={autofocus}
        value={text}
        onChange={setText}
        error={sending.field("text")}
      />
      <FormFault text={sending.rest("text")} />
      <div class="row between">
        <span class="note">Markdown works.</span>
        <span class="row">
          {onCancel && (
            <button type="button" class="button small" onClick={onCancel}>
              Cancel
            </button>
          )}
          <button
            type="submit"
            class="button small primary"
            disabled={sending.busy || !text.trim()}
          >
            {sending.busy ? "Sending…" : send}
          </button>
        </span>
      </div>
    </form>
  );
}
