// Reviews of a machine: stars and a text, one of each person, and one's own to be written and changed.

import { useState } from "preact/hooks";
import { ApiError } from "../api/faults";
import {
  deleteReview,
  getReview,
  listReviews,
  type Machine,
  type Review,
  setReview,
} from "../api/generated";
import { FormFault } from "../pages/entry";
import { confirmed } from "../parts/dialog";
import { AreaField } from "../parts/field";
import { useSending } from "../parts/form";
import { Markdown } from "../parts/markdown";
import { Trouble, useLoaded, Waiting } from "../parts/page";
import { More, type Paged, usePaged } from "../parts/paged";
import { StarField, Stars } from "../parts/stars";
import { complain, say } from "../parts/toasts";
import { isAdmin, person, sessionState } from "../session/session";
import { Byline, isOwn } from "./author";
import { afterReview, type Summary } from "./summary";

const LONGEST = 4000;

export function Reviews({ machine, summary }: { machine: Machine; summary: Summary }) {
  const list = usePaged(
    async (pageToken, signal) => {
      const asked = { parent: machine.name, pageSize: 10, pageToken };
      const answer = await listReviews(asked, { signal });
      return { items: answer.reviews, nextPageToken: answer.nextPageToken };
    },
    [machine.name],
  );
  const others = list.items?.filter(({ author }) => !isOwn(author));
  const remove = async (review: Review) => {
    if (!(await confirmed("Delete this review?", "It is gone for good.", "Delete"))) return;
    try {
      await deleteReview({ name: review.name });
      list.change((all) => all.filter(({ name }) => name !== review.name));
      if (summary.value) summary.set(afterReview(summary.value, review.stars, 0));
      say("The review is deleted.");
    } catch (error) {
      complain(error);
    }
  };
  return (
    <div class="stack">
      {sessionState.value === "in" && (
        <Own key={person.value?.name} machine={machine} summary={summary} list={list} />
      )}
      {!list.items && list.busy && <Waiting />}
      {others?.length === 0 && !list.hasMore && (
        <p class="muted">Nobody {list.items?.length ? "else " : ""}has reviewed it yet.</p>
      )}
      <ul class="said">
        {others?.map((review) => (
          <li key={review.name}>
            <div class="row between">
              <Byline
                author={review.author}
                name={review.authorName}
                created={review.createTime}
                updated={review.updateTime}
              />
              {isAdmin() && (
                <button type="button" class="link small danger" onClick={() => void remove(review)}>
                  Delete
                </button>
              )}
            </div>
            <Stars rating={review.stars} />
            {review.text && <Markdown text={review.text} />}
          </li>
        ))}
      </ul>
      <More list={list} label="More reviews" />
    </div>
  );
}

/** One's own review, where one has rented the machine: shown, or the form to write it. */
function Own({
  machine,
  summary,
  list,
}: {
  machine: Machine;
  summary: Summary;
  list: Paged<Review>;
}) {
  const name = `${machine.name}/reviews/me`;
  const own = useLoaded<Review | null>(
    async (signal) => {
      try {
        return await getReview({ name }, { signal });
      } catch (error) {
        if (error instanceof ApiError && error.reason === "REVIEW_NOT_FOUND") return null;
        throw error;
      }
    },
    [name],
  );
  const [editing, setEditing] = useState(false);

  const take = (review: Review | null) => {
    const before = own.value?.stars ?? 0;
    own.set(review);
    setEditing(false);
    const rest = (all: readonly Review[]) => all.filter(({ author }) => !isOwn(author));
    list.change((all) => (review ? [review, ...rest(all)] : rest(all)));
    if (summary.value) summary.set(afterReview(summary.value, before, review?.stars ?? 0));
  };
  const remove = async () => {
    if (!(await confirmed("Delete your review?", "It is gone for good.", "Delete"))) return;
    try {
      await deleteReview({ name });
      take(null);
    } catch (error) {
      complain(error);
    }
  };
  if (own.error !== undefined) return <Trouble error={own.error} again={own.again} />;
  if (own.value === undefined) return null;
  if (own.value && !editing) {
    const review = own.value;
    return (
      <article class="own" aria-label="Your review">
        <div class="row between wrap">
          <Byline
            author={review.author}
            name={review.authorName}
            created={review.createTime}
            updated={review.updateTime}
          />
          <span class="row">
            <button type="button" class="link small" onClick={() => setEditing(true)}>
              Edit
            </button>
            <button type="button" class="link small danger" onClick={() => void remove()}>
              Delete
            </button>
          </span>
        </div>
        <Stars rating={review.stars} />
        {review.text && <Markdown text={review.text} />}
      </article>
    );
  }
  if (!own.value && !editing) {
    return (
      <div class="row between wrap own">
        <span class="muted">Have you rented it? Say what it is like.</span>
        <button type="button" class="button small" onClick={() => setEditing(true)}>
          Write a review
        </button>
      </div>
    );
  }
  return <Write name={name} before={own.value} onDone={take} onCancel={() => setEditing(false)} />;
}

function Write({
  name,
  before,
  onDone,
  onCancel,
}: {
  name: string;
  before: Review | null;
  onDone: (review: Review) => void;
  onCancel: () => void;
}) {
  const [stars, setStars] = useState(before?.stars ?? 0);
  const [text, setText] = useState(before?.text ?? "");
  const sending = useSending(async () => {
    const etag = before?.etag ?? "";
    onDone(await setReview({ review: { name, stars, text: text.trim(), etag } }));
    say("Your review is there for everybody.");
  });
  return (
    <form class="stack own" aria-label="Your review" onSubmit={sending.submit}>
      <FormFault text={sending.rest("stars", "text")} />
      <StarField value={stars} onChange={setStars} error={sending.field("stars")} />
      <AreaField
        label="Why"
        optional
        rows={4}
        maxLength={LONGEST}
        hint="Markdown."
        value={text}
        onChange={setText}
        error={sending.field("text")}
      />
      <div class="row end">
        <button type="button" class="button small" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" class="button small primary" disabled={sending.busy || stars === 0}>
          {sending.busy ? "Sending…" : "Publish"}
        </button>
      </div>
    </form>
  );
}
