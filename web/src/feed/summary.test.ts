import { describe, expect, it } from "vitest";
import type { FeedSummary } from "../api/generated";
import { afterComments, afterReview, afterVote } from "./summary";

const summary: FeedSummary = {
  name: "machines/a/feedSummary",
  machine: "machines/a",
  likes: 3,
  dislikes: 1,
  comments: 0,
  reviews: 2,
  averageRating: 3.5,
  histogram: [0, 0, 1, 1, 0],
  version: "7",
  ownVote: "DIRECTION_UNSPECIFIED",
};

describe("a vote", () => {
  it("counts once, switches and is withdrawn", () => {
    const liked = afterVote(summary, "LIKE");
    expect([liked.likes, liked.dislikes]).toEqual([4, 1]);
    expect(afterVote(liked, "LIKE").likes).toBe(4);
    const switched = afterVote(liked, "DISLIKE");
    expect([switched.likes, switched.dislikes]).toEqual([3, 2]);
    const withdrawn = afterVote(switched, "DIRECTION_UNSPECIFIED");
    expect([withdrawn.likes, withdrawn.dislikes]).toEqual([3, 1]);
  });
});

describe("a review", () => {
  it("comes, changes and goes", () => {
    const written = afterReview(summary, 0, 5);
    expect([written.reviews, written.averageRating]).toEqual([3, 4]);
    const changed = afterReview(written, 5, 2);
    expect([changed.reviews, changed.averageRating]).toEqual([3, 3]);
    expect(afterReview(changed, 2, 0).histogram).toEqual(summary.histogram);
  });

  it("leaves no average behind when it was the only one", () => {
    const only = { ...summary, histogram: [1, 0, 0, 0, 0], reviews: 1, averageRating: 1 };
    expect(afterReview(only, 1, 0).averageRating).toBe(0);
  });
});

describe("comments", () => {
  it("never count below none", () => {
    expect(afterComments(summary, -1).comments).toBe(0);
  });
});
