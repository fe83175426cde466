// Who is logged in. The access token lives in this module's memory only; the refresh token in a
// cookie that scripts cannot read.

import { signal } from "@preact/signals";
import { ApiError } from "../api/faults";
import {
  createSession,
  deleteSession,
  refreshSession,
  type Session,
  type User,
} from "../api/generated";
import { useTokens } from "../api/transport";

/** `restoring` until it is known whether the cookie still holds a session. */
export type SessionState = "restoring" | "out" | "in";

export const sessionState = signal<SessionState>("restoring");
export const person = signal<User | undefined>(undefined);

const KNOWN = "allocator.session";
const EARLY_MS = 60_000;
const channel = new BroadcastChannel(KNOWN);

let token = "";
let sessionName = "";
let renewing: Promise<string> | undefined;
let alarm = 0;
const listeners = new Set<(token: string) => void>();

/** Whether the person may do what admins do. */
export const isAdmin = (): boolean => person.value?.roles.includes("ADMIN") ?? false;

/** The access token at hand. */
export const accessToken = (): string => token;

/** Calls back with each new access token, until the answer is called. */
export function onToken(listener: (token: string) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function begin(session: Session): string {
  token = session.accessToken;
  sessionName = session.name;
  if (session.user) person.value = session.user;
  sessionState.value = "in";
  remember("yes");
  clearTimeout(alarm);
  const lasts = Date.parse(session.expireTime ?? "") - Date.now();
  if (lasts > 0) {
    alarm = window.setTimeout(() => void renewToken(token), Math.max(5_000, lasts - EARLY_MS));
  }
  for (const listener of listeners) listener(token);
  return token;
}

function end(): void {
  token = "";
  sessionName = "";
  clearTimeout(alarm);
  person.value = undefined;
  sessionState.value = "out";
  remember("no");
}

function remember(known: "yes" | "no"): void {
  try {
    localStorage.setItem(KNOWN, known);
  } catch {
    // Storage may be switched off; then each load asks the server.
  }
}

/**
 * A newer token than `stale`, empty where the session has ended. Calls at the same time share one
 * refresh, and tabs take turns: a refresh token that is used twice ends its session.
 */
export function renewToken(stale: string): Promise<string> {
  if (token && token !== stale) return Promise.resolve(token);
  renewing ??= inTurn(async () => {
    try {
      return begin(await refreshSession({}));
    } catch (error) {
      if (error instanceof ApiError && [400, 401, 403].includes(error.status)) {
        end();
        return "";
      }
      throw error;
    }
  }).finally(() => {
    renewing = undefined;
  });
  return renewing;
}

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks ? navigator.locks.request("allocator.refresh", work) : work();
}

/** Finds out, when the page loads, whether somebody is still logged in. */
export async function restoreSession(): Promise<void> {
  useTokens({ current: accessToken, renew: renewToken });
  channel.addEventListener("message", () => end());
  let known = "perhaps";
  try {
    known = localStorage.getItem(KNOWN) ?? "no";
  } catch {
    // As above.
  }
  if (known === "no") {
    sessionState.value = "out";
    return;
  }
  try {
    await renewToken("");
  } catch {
    sessionState.value = "out";
  }
}

/** What shows the second factor, where the account has one. */
export interface SecondFactor {
  totpCode?: string;
  recoveryCode?: string;
}

/** Logs in. */
export async function logIn(
  email: string,
  password: string,
  second: SecondFactor = {},
): Promise<void> {
  begin(await createSession({ email, password, cookie: true, ...second }));
}

/** Forgets the session, which the server has ended already, in every tab. */
export function forgetSession(): void {
  end();
  channel.postMessage("out");
}

/** Logs out, in every tab. */
export async function logOut(): Promise<void> {
  const name = sessionName;
  try {
    if (name) await deleteSession({ name });
  } finally {
    forgetSession();
  }
}

/** Takes over what the server says of the person now. */
export function setPerson(user: User): void {
  person.value = user;
}
