// What people say of a machine: reviews and comments.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Machine } from "../api/generated";
import { place } from "../parts/router";
import { Comments } from "./comments";
import { lineOf } from "./line";
import { Reviews } from "./reviews";
import type { Summary } from "./summary";

export function Feed({
  machine,
  summary,
  own,
}: {
  machine: Machine;
  summary: Summary;
  /** Whether it is the person's own machine. */
  own: boolean;
}) {
  const line = lineOf(place.value.query);
  const [shown, setShown] = useState<"comments" | "reviews">(line ? "comments" : "reviews");
  const feed = useRef<HTMLElement>(null);
  useEffect(() => {
    if (line) feed.current?.scrollIntoView({ block: "start" });
  }, []);
  if (machine.state === "DRAFT") return null;
  const tabs = [
    ["reviews", "Reviews", summary.value?.reviews],
    ["comments", "Comments", summary.value?.comments],
  ] as const;
  return (
    <section ref={feed} class="feed" aria-label="What people say">
      <div class="segments" role="group" aria-label="What people say">
        {tabs.map(([value, label, count]) => (
          <button
            key={value}
            type="button"
            aria-pressed={shown === value}
            onClick={() => setShown(value)}
          >
            {label}
            {count ? <span class="faint"> {count}</span> : null}
          </button>
        ))}
      </div>
      {shown === "reviews" ? (
        <Reviews machine={machine} summary={summary} />
      ) : (
        <Comments machine={machine} summary={summary} own={own} />
      )}
    </section>
  );
}
