// Stars, shown and given.

import { useId } from "preact/hooks";

const STARS = [1, 2, 3, 4, 5] as const;
const SHAPE = "M8 1.6 9.9 5.7 14.4 6.2 11.1 9.3 12 13.8 8 11.5 4 13.8 4.9 9.3 1.6 6.2 6.1 5.7Z";

/** `4.3`, with one digit behind the point. */
export const ratingText = (rating: number): string => rating.toFixed(1);

/** How full a star is: 0 to 1, in tenths. */
export function fullness(rating: number, star: number): number {
  return Math.round(Math.min(1, Math.max(0, rating - star + 1)) * 10) / 10;
}

/** Five stars, as full as the rating says. */
export function Stars({ rating, label }: { rating: number; label?: string }) {
  const id = useId();
  return (
    <span class="stars" role="img" aria-label={label ?? `${ratingText(rating)} of 5 stars`}>
      {STARS.map((star) => {
        const full = fullness(rating, star);
        return (
          <svg key={star} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <clipPath id={`${id}-${star}`}>
              <rect width={16 * full} height="16" />
            </clipPath>
            <path class="star" d={SHAPE} />
            {full > 0 && <path class="star full" d={SHAPE} clip-path={`url(#${id}-${star})`} />}
          </svg>
        );
      })}
    </span>
  );
}

/** Five stars to choose from: radio buttons, so that arrow keys work. */
export function StarField({
  value,
  onChange,
  error,
}: {
  value: number;
  onChange: (stars: number) => void;
  error?: string | undefined;
}) {
  const name = useId();
  return (
    <fieldset class={error ? "field wrong" : "field"}>
      <legend>Stars</legend>
      <div class="star-choice">
        {STARS.map((star) => (
          <label key={star} class={star <= value ? "chosen" : ""}>
            <input
              type="radio"
              class="out-of-sight"
              name={name}
              value={star}
              checked={star === value}
              aria-label={star === 1 ? "1 star" : `${star} stars`}
              onChange={() => onChange(star)}
            />
            <svg viewBox="0 0 16 16" aria-hidden="true" focusable="false">
              <path class={star <= value ? "star full" : "star"} d={SHAPE} />
            </svg>
          </label>
        ))}
      </div>
      {error && (
        <div class="note error" role="alert">
          {error}
        </div>
      )}
    </fieldset>
  );
}
