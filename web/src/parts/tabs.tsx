// Pages that belong together, side by side.

import { place } from "./router";

/** Links to the pages of one kind; the one that is shown is marked. */
export function SubPages({
  label,
  pages,
}: {
  label: string;
  pages: readonly (readonly [path: string, label: string])[];
}) {
  const { path } = place.value;
  return (
    <nav class="sub-pages" aria-label={label}>
      {pages.map(([to, text]) => (
        <a key={to} href={to} aria-current={path === to ? "page" : undefined}>
          {text}
        </a>
      ))}
    </nav>
  );
}
