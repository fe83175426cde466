// Which page is shown: the path of the address, changed without loading the page again.

import { signal } from "@preact/signals";

/** The path and the query of the address. */
export interface Place {
  path: string;
  query: URLSearchParams;
}

const here = (): Place => ({
  path: location.pathname,
  query: new URLSearchParams(location.search),
});

export const place = signal<Place>(here());

/** Asked before the page is left; answers whether it may be. */
let guard: (() => Promise<boolean>) | undefined;

/** Sets what is asked before the page is left, until the answer is called. */
export function guardLeaving(ask: () => Promise<boolean>): () => void {
  guard = ask;
  return () => {
    if (guard === ask) guard = undefined;
  };
}

/** Goes to a path of this site. With `stay`, what is in sight stays where it is. */
export async function navigate(to: string, { replace = false, stay = false } = {}): Promise<void> {
  if (guard && !(await guard())) return;
  guard = undefined;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  place.value = here();
  if (!stay) window.scrollTo(0, 0);
}

/** Follows the address, and clicks on links to pages of this site. */
export function startRouter(): void {
  addEventListener("popstate", () => {
    place.value = here();
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest("a[href]") as HTMLAnchorElement | null;
    if (!link || link.target || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || /^\/(v1|docs|openapi)/.test(link.pathname)) return;
    if (link.hash && link.pathname === location.pathname) return;
    event.preventDefault();
    void navigate(link.pathname + link.search);
  });
}

/** The variable parts of a path that fits `/machines/:id`; undefined where it does not fit. */
export function fits(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split("/");
  const parts = path.replace(/\/+$/, "").split("/");
  if (path !== "/" && wanted.length !== parts.length) return undefined;
  const found: Record<string, string> = {};
  for (const [at, want] of wanted.entries()) {
    const part = parts[at] ?? "";
    if (want.startsWith(":") && part) found[want.slice(1)] = decodeURIComponent(part);
    else if (want !== part) return undefined;
  }
  return found;
}

/** Where to go after the log-in: a path of this site only. */
export function afterwards(): string {
  const to = place.value.query.get("to") ?? "";
  return /^\/[^/\\]/.test(to) ? to : "/";
}
