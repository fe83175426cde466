// The bar above every page: where one can go, and who one is.

import { useEffect, useRef, useState } from "preact/hooks";
import { Bell } from "./inbox";
import { mine } from "./live/allocations";
import { Icon, type IconName, Mark } from "./parts/icons";
import { navigate, place } from "./parts/router";
import { chooseTheme, type Theme, theme } from "./parts/theme";
import { complain } from "./parts/toasts";
import { isAdmin, logOut, person, sessionState } from "./session/session";

export function TopBar() {
  const inside = sessionState.value === "in";
  return (
    <header class="topbar">
      <div class="topbar-inside">
        <a class="brand" href="/" aria-label="the allocator">
          <Mark />
          <span>the allocator</span>
        </a>
        <nav class="tabs" aria-label="Pages">
          <Tab to="/" under="/machines" label="Catalogue" />
          {inside && <AllocationsTab />}
          {inside && isAdmin() && <Tab to="/admin/machines" under="/admin" label="Admin" />}
        </nav>
        <div class="topbar-end">
          {inside ? (
            <>
              <Bell />
              <PersonMenu />
            </>
          ) : (
            <>
              <ThemeButton />
              <a class="button small" href="/login">
                Log in
              </a>
              <a class="button small primary" href="/signup">
                Sign up
              </a>
            </>
          )}
        </div>
      </div>
    </header>
  );
}

function Tab({
  to,
  under,
  label,
  count,
}: {
  to: string;
  under: string;
  label: string;
  count?: number;
}) {
  const { path } = place.value;
  const current = path === to || path === under || path.startsWith(`${under}/`);
  return (
    <a class="tab" href={to} aria-current={current ? "page" : undefined}>
      {label}
      {count ? <span class="count">{count}</span> : null}
    </a>
  );
}

function AllocationsTab() {
  useEffect(() => mine.follow(), []);
  let running = 0;
  for (const { state } of mine.all.value?.values() ?? []) {
    if (state !== "DELETED" && state !== "STOPPED") running += 1;
  }
  return <Tab to="/allocations" under="/allocations" label="Allocations" count={running} />;
}

const THEMES: readonly (readonly [Theme, IconName, string])[] = [
  ["system", "system", "As the system"],
  ["light", "sun", "Light"],
  ["dark", "moon", "Dark"],
];

function ThemeButton() {
  const at = THEMES.findIndex(([name]) => name === theme.value);
  const [, icon, label] = THEMES[at] as (typeof THEMES)[number];
  const [next] = THEMES[(at + 1) % THEMES.length] as (typeof THEMES)[number];
  return (
    <button
      type="button"
      class="quiet"
      title={`Colours: ${label.toLowerCase()}`}
      aria-label={`Colours: ${label.toLowerCase()}. Change`}
      onClick={() => chooseTheme(next)}
    >
      <Icon name={icon} />
    </button>
  );
}

function PersonMenu() {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    const away = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setOpen(false);
      button.current?.focus();
    };
    addEventListener("pointerdown", away);
    addEventListener("keydown", onKey);
    return () => {
      removeEventListener("pointerdown", away);
      removeEventListener("keydown", onKey);
    };
  }, [open]);
  const user = person.value;
  const name = [user?.givenName, user?.familyName].filter(Boolean).join(" ");
  const leave = async () => {
    setOpen(false);
    try {
      await logOut();
    } catch (error) {
      complain(error);
    }
    await navigate("/login");
  };
  return (
    <div class="menu-box" ref={box}>
      <button
        ref={button}
        type="button"
        class="person"
        aria-expanded={open}
        aria-haspopup="true"
        aria-label={`Account of ${user?.email ?? ""}`}
        onClick={() => setOpen(!open)}
      >
        <span class="initial" aria-hidden="true">
          {(name || user?.email || "?").slice(0, 1).toUpperCase()}
        </span>
        <Icon name="chevron" />
      </button>
      {open && (
        <div class="menu">
          <div class="menu-head">
            <strong>{name || user?.email}</strong>
            {name && <span class="muted">{user?.email}</span>}
            {isAdmin() && <span class="tag">admin</span>}
          </div>
          <div class="themes" role="group" aria-label="Colours">
            {THEMES.map(([value, icon, label]) => (
              <button
                key={value}
                type="button"
                title={label}
                aria-label={label}
                aria-pressed={theme.value === value}
                onClick={() => chooseTheme(value)}
              >
                <Icon name={icon} />
              </button>
            ))}
          </div>
          <a class="menu-item" href="/account" onClick={() => setOpen(false)}>
            <Icon name="user" />
            Account
          </a>
          <a class="menu-item" href="/volumes" onClick={() => setOpen(false)}>
            <Icon name="disk" />
            Volumes
          </a>
          <a class="menu-item" href="/mine" onClick={() => setOpen(false)}>
            <Icon name="grid" />
            My machines
          </a>
          <a class="menu-item" href="/docs" target="_blank" rel="noopener">
            <Icon name="external" />
            API reference
          </a>
          <button type="button" class="menu-item" onClick={() => void leave()}>
            <Icon name="logout" />
            Log out
          </button>
        </div>
      )}
    </div>
  );
}
