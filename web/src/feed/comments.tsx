// What people say of a machine, newest first, with one level of answers.

import type { Machine } from "../api/generated";
import { type Comment, listComments } from "../api/generated";
import { Waiting } from "../parts/page";
import { More, usePaged } from "../parts/paged";
import { navigate, place } from "../parts/router";
import { person, sessionState } from "../session/session";
import { OneComment } from "./comment";
import { lineOf } from "./line";
import { afterComments, type Summary } from "./summary";
import { WriteComment } from "./write";

export function Comments({
  machine,
  summary,
  own,
}: {
  machine: Machine;
  summary: Summary;
  own: boolean;
}) {
  const list = usePaged(
    async (pageToken, signal) => {
      const asked = { parent: machine.name, pageSize: 20, pageToken };
      const answer = await listComments(asked, { signal });
      return { items: answer.comments, nextPageToken: answer.nextPageToken };
    },
    [machine.name],
  );
  const count = (more: number) => {
    if (summary.value) summary.set(afterComments(summary.value, more));
  };
  const replace = (name: string, next: Comment | undefined) =>
    list.change((all) => all.flatMap((one) => (one.name === name ? (next ? [next] : []) : [one])));
  return (
    <div class="stack">
      <Begin
        machine={machine}
        own={own}
        onWritten={(comment) => {
          list.change((all) => [comment, ...all]);
          count(1);
        }}
      />
      {!list.items && list.busy && <Waiting />}
      {list.items?.length === 0 && <p class="muted">Nobody has said anything yet.</p>}
      <ul class="said">
        {list.items?.map((comment) => (
          <OneComment
            key={comment.name}
            comment={comment}
            publisher={machine.publisher}
            onChange={(next) => replace(comment.name, next)}
            onCount={count}
          />
        ))}
      </ul>
      <More list={list} label="More comments" />
    </div>
  );
}

/** The form for those who may write, and for others what it takes. */
function Begin({
  machine,
  own,
  onWritten,
}: {
  machine: Machine;
  own: boolean;
  onWritten: (comment: Comment) => void;
}) {
  const line = lineOf(place.value.query);
  if (sessionState.value !== "in") {
    const to = encodeURIComponent(place.value.path);
    return (
      <p class="muted">
        <a href={`/login?to=${to}`}>Log in</a> to say something.
      </p>
    );
  }
  if (!person.value?.verified) {
    return (
      <p class="muted">
        <a href="/account">Verify your address</a> to say something.
      </p>
    );
  }
  return (
    <WriteComment
      parent={machine.name}
      label={own ? "Tell people what is new" : "Ask or say something"}
      send="Comment"
      autofocus={line !== undefined}
      line={line}
      onWithoutLine={() => void navigate(place.value.path, { replace: true, stay: true })}
      onWritten={(comment) => {
        if (line) void navigate(place.value.path, { replace: true, stay: true });
        onWritten(comment);
      }}
    />
  );
}
