// What people think of a machine, added up, and one's own vote.

import { useState } from "preact/hooks";
import { clearVote, type Machine, setVote, type VoteDirection } from "../api/generated";
import { Icon } from "../parts/icons";
import { ratingText, Stars } from "../parts/stars";
import { complain } from "../parts/toasts";
import { person, sessionState } from "../session/session";
import { afterVote, type Summary } from "./summary";

export function Rating({ machine, summary }: { machine: Machine; summary: Summary }) {
  const value = summary.value;
  if (!value) return null;
  const most = Math.max(1, ...value.histogram);
  return (
    <section class="panel rating" aria-labelledby="rating">
      <h2 id="rating">What people think</h2>
      {value.reviews > 0 ? (
        <div class="rating-sum">
          <div>
            <div class="rating-number">{ratingText(value.averageRating)}</div>
            <Stars rating={value.averageRating} />
            <div class="small muted">
              {value.reviews === 1 ? "1 review" : `${value.reviews} reviews`}
            </div>
          </div>
          <table class="histogram">
            <caption class="out-of-sight">How many reviews have how many stars</caption>
            <tbody>
              {[5, 4, 3, 2, 1].map((stars) => {
                const count = value.histogram[stars - 1] ?? 0;
                return (
                  <tr key={stars}>
                    <th scope="row">
                      {stars}
                      <span class="out-of-sight"> stars</span>
                    </th>
                    <td class="histogram-bar" aria-hidden="true">
                      <span style={{ width: `${(100 * count) / most}%` }} />
                    </td>
                    <td>{count}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      ) : (
        <p class="muted small">No reviews yet.</p>
      )}
      <Votes machine={machine} summary={summary} />
    </section>
  );
}

const WORDS = {
  LIKE: ["like", "Like"],
  DISLIKE: ["dislike", "Dislike"],
} as const;

function Votes({ machine, summary }: { machine: Machine; summary: Summary }) {
  const [busy, setBusy] = useState(false);
  const value = summary.value;
  if (!value) return null;
  const may = sessionState.value === "in" && person.value?.verified;
  const vote = async (direction: "LIKE" | "DISLIKE") => {
    const next: VoteDirection = value.ownVote === direction ? "DIRECTION_UNSPECIFIED" : direction;
    const name = `${machine.name}/votes/me`;
    setBusy(true);
    // Shown at once, and taken back where the server refuses it.
    summary.set(afterVote(value, next));
    try {
      if (next === "DIRECTION_UNSPECIFIED") await clearVote({ name });
      else await setVote({ vote: { name, direction: next } });
    } catch (error) {
      summary.set(value);
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="votes" role="group" aria-label="Your vote">
      {(["LIKE", "DISLIKE"] as const).map((direction) => {
        const [icon, label] = WORDS[direction];
        const count = direction === "LIKE" ? value.likes : value.dislikes;
        const why = may ? label : "Log in with a verified account to vote";
        return (
          <button
            key={direction}
            type="button"
            class="button small"
            title={why}
            aria-label={`${label}: ${count} so far`}
            aria-pressed={value.ownVote === direction}
            disabled={!may || busy}
            onClick={() => void vote(direction)}
          >
            <Icon name={icon} />
            {count}
          </button>
        );
      })}
    </div>
  );
}
