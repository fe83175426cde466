// Pages that belong together, side by side.

import { useEffect, useRef } from "preact/hooks";
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
  const shown = useRef<HTMLElement>(null);
  // Where there is little room, the links are a strip that scrolls.
  useEffect(() => {
    const current = shown.current?.querySelector("[aria-current]");
    current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [path]);
  return (
    <nav ref={shown} class="sub-pages" aria-label={label}>
      {pages.map(([to, text]) => (
        <a key={to} href={to} aria-current={path === to ? "page" : undefined}>
          {text}
        </a>
      ))}
    </nav>
  );
}
