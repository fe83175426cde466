// Light or dark: what the system says, unless the person has chosen.

import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const KEY = "allocator.theme";

export const theme = signal<Theme>("system");

/** Applies what was chosen before. */
export function startTheme(): void {
  try {
    const stored = localStorage.getItem(KEY);
    if (stored === "light" || stored === "dark") chooseTheme(stored);
  } catch {
    // Storage may be switched off.
  }
}

export function chooseTheme(chosen: Theme): void {
  theme.value = chosen;
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // As above.
  }
}
