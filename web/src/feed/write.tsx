// Where comments and answers are written and changed.

import { useState } from "preact/hooks";
import { type Comment, createComment } from "../api/generated";
import { requestId } from "../api/transport";
import { FormFault } from "../pages/entry";
import { AreaField } from "../parts/field";
import { useSending } from "../parts/form";

const LONGEST = 4000;

/** A new comment of a machine, or an answer to one. */
export function WriteComment({
  parent,
  replyTo = "",
  label,
  send,
  autofocus = false,
  onWritten,
  onCancel,
}: {
  parent: string;
  replyTo?: string;
  label: string;
  send: string;
  autofocus?: boolean;
  onWritten: (comment: Comment) => void;
  onCancel?: () => void;
}) {
  // The same text sent again is the same comment.
  const [id, setId] = useState(requestId);
  const write = async (text: string) => {
    onWritten(await createComment({ parent, comment: { text, replyTo }, requestId: id }));
    setId(requestId());
  };
  return (
    <WriteText
      label={label}
      send={send}
      autofocus={autofocus}
      start=""
      work={write}
      {...(onCancel ? { onCancel } : {})}
    />
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
