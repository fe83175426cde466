// What the feed of a machine adds up to, kept right while one takes part in it.

import { type FeedSummary, getSummary } from "../api/generated";
import { type Loaded, useLoaded } from "../parts/page";
import { sessionState } from "../session/session";

export type Summary = Loaded<FeedSummary>;

/** The summary of a machine; fetched anew where somebody logs in or out. */
export function useSummary(machine: string): Summary {
  return useLoaded(
    (signal) => getSummary({ name: `${machine}/feedSummary` }, { signal }),
    [machine, sessionState.value],
  );
}

/** The summary after a vote: what counted before counts no more. */
export function afterVote(summary: FeedSummary, vote: FeedSummary["ownVote"]): FeedSummary {
  const count = (direction: FeedSummary["ownVote"], before: number) =>
    before - Number(summary.ownVote === direction) + Number(vote === direction);
  return {
    ...summary,
    likes: count("LIKE", summary.likes),
    dislikes: count("DISLIKE", summary.dislikes),
    ownVote: vote,
  };
}

/** The summary after one's review has gone from so many stars to so many; 0 for none. */
export function afterReview(summary: FeedSummary, from: number, to: number): FeedSummary {
  const histogram = summary.histogram.map(
    (count, at) => count - Number(at + 1 === from) + Number(at + 1 === to),
  );
  const reviews = histogram.reduce((sum, count) => sum + count, 0);
  const stars = histogram.reduce((sum, count, at) => sum + count * (at + 1), 0);
  return { ...summary, histogram, reviews, averageRating: reviews > 0 ? stars / reviews : 0 };
}

/** The summary after comments have come or gone. */
export function afterComments(summary: FeedSummary, more: number): FeedSummary {
  return { ...summary, comments: Math.max(0, summary.comments + more) };
}
