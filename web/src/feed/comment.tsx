// One comment, with its answers.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { type Comment, deleteComment, listReplies, updateComment } from "../api/generated";
import { confirmed } from "../parts/dialog";
import { Icon } from "../parts/icons";
import { idOf } from "../parts/machines";
import { Markdown } from "../parts/markdown";
import { Waiting } from "../parts/page";
import { More, usePaged } from "../parts/paged";
import { complain } from "../parts/toasts";
import { isAdmin, person } from "../session/session";
import { Byline, isOwn } from "./author";
import { WriteComment, WriteText } from "./write";

interface Shown {
  comment: Comment;
  /** Who published the machine: their words are marked. */
  publisher: string;
  /** What the comment is now; undefined where it is gone. */
  onChange: (comment: Comment | undefined) => void;
  onCount: (more: number) => void;
}

export function OneComment({ comment, publisher, onChange, onCount }: Shown) {
  const [answers, setAnswers] = useState(false);
  const [writing, setWriting] = useState(false);
  const { replyCount } = comment;
  const may = person.value?.verified && !comment.deleted;
  // Deleting leaves the place behind where there are answers.
  const gone = () =>
    onChange(
      replyCount > 0
        ? { ...comment, deleted: true, text: "", author: "", authorName: "" }
        : undefined,
    );
  return (
    <li>
      <Body
        comment={comment}
        publisher={publisher}
        onChange={onChange}
        onGone={gone}
        onCount={onCount}
      >
        {may && !writing && (
          <button
            type="button"
            class="link small"
            onClick={() => {
              setAnswers(true);
              setWriting(true);
            }}
          >
            Reply
          </button>
        )}
      </Body>
      {replyCount > 0 && (
        <button
          type="button"
          class="link small"
          aria-expanded={answers}
          onClick={() => setAnswers(!answers)}
        >
          <Icon name="speech" />
          {replyCount === 1 ? "1 reply" : `${replyCount} replies`}
        </button>
      )}
      {answers && (
        <Replies
          comment={comment}
          publisher={publisher}
          writing={writing}
          onWriting={setWriting}
          onCount={(more) => {
            onChange({ ...comment, replyCount: replyCount + more });
            onCount(more);
          }}
        />
      )}
    </li>
  );
}

function Replies({
  comment,
  publisher,
  writing,
  onWriting,
  onCount,
}: {
  comment: Comment;
  publisher: string;
  writing: boolean;
  onWriting: (writing: boolean) => void;
  onCount: (more: number) => void;
}) {
  const list = usePaged(
    async (pageToken, signal) => {
      const asked = { parent: comment.name, pageSize: 50, pageToken };
      const answer = await listReplies(asked, { signal });
      return { items: answer.replies, nextPageToken: answer.nextPageToken };
    },
    [comment.name],
  );
  return (
    <div class="replies stack">
      {!list.items && list.busy && comment.replyCount > 0 && <Waiting />}
      {list.items && list.items.length > 0 && (
        <ul class="said">
          {list.items.map((reply) => {
            const change = (next: Comment | undefined) =>
              list.change((all) =>
                all.flatMap((one) => (one.name === reply.name ? (next ? [next] : []) : [one])),
              );
            return (
              <li key={reply.name}>
                <Body
                  comment={reply}
                  publisher={publisher}
                  onChange={change}
                  onGone={() => change(undefined)}
                  onCount={onCount}
                />
              </li>
            );
          })}
        </ul>
      )}
      <More list={list} label="More replies" />
      {writing && (
        <WriteComment
          parent={comment.name.replace(/\/comments\/.*$/, "")}
          replyTo={comment.name}
          label="Your reply"
          send="Reply"
          autofocus
          onCancel={() => onWriting(false)}
          onWritten={(reply) => {
            list.change((all) => [...all, reply]);
            onWriting(false);
            onCount(1);
          }}
        />
      )}
    </div>
  );
}

/** What somebody said, and what one may do with it. */
function Body({
  comment,
  publisher,
  onChange,
  onGone,
  onCount,
  children,
}: Shown & { onGone: () => void; children?: ComponentChildren }) {
  const [editing, setEditing] = useState(false);
  const own = isOwn(comment.author);
  if (comment.deleted) return <p class="faint">This comment was deleted.</p>;

  const remove = async () => {
    const whose = own ? "Delete your comment?" : "Delete this comment?";
    if (!(await confirmed(whose, "It is gone for good.", "Delete"))) return;
    try {
      await deleteComment({ name: comment.name });
      onGone();
      onCount(-1);
    } catch (error) {
      complain(error);
    }
  };
  return (
    <>
      <div class="row wrap">
        <Byline
          author={comment.author}
          name={comment.authorName}
          created={comment.createTime}
          updated={comment.updateTime}
        />
        {publisher !== "" && comment.author === publisher && (
          <span class="tag good">publisher</span>
        )}
      </div>
      {comment.line && (
        <p class="small muted">
          About line {Number(comment.line.cursor).toLocaleString("en")}
          {own && (
            <>
              {" "}
              of <a href={`/${comment.line.allocation}`}>{idOf(comment.line.allocation)}</a>
            </>
          )}
        </p>
      )}
      {editing ? (
        <WriteText
          label="Your comment"
          send="Save"
          start={comment.text}
          autofocus
          onCancel={() => setEditing(false)}
          work={async (text) => {
            const { name, etag } = comment;
            onChange(await updateComment({ comment: { name, etag, text }, updateMask: "text" }));
            setEditing(false);
          }}
        />
      ) : (
        <Markdown text={comment.text} />
      )}
      {!editing && (
        <div class="row said-tools">
          {children}
          {own && (
            <button type="button" class="link small" onClick={() => setEditing(true)}>
              Edit
            </button>
          )}
          {(own || isAdmin()) && (
            <button type="button" class="link small danger" onClick={() => void remove()}>
              Delete
            </button>
          )}
        </div>
      )}
    </>
  );
}
