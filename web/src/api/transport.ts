// Carries calls of the generated client over HTTP: paths, queries, tokens, problem documents,
// streams of lines.

import { refusal, refusalInStream, unreachable } from "./faults";

/** A request as callers write it: what is left out has its default. */
export type Draft<T> = T extends Blob
  ? T
  : T extends (infer Item)[]
    ? Draft<Item>[]
    : T extends object
      ? { [Name in keyof T]?: Draft<T[Name]> | undefined }
      : T;

export interface CallOptions {
  signal?: AbortSignal;
}

/** A method that answers once. */
export type Unary<Request, Answer> = (
  request: Draft<Request>,
  options?: CallOptions,
) => Promise<Answer>;

/** A method that answers with messages until it ends. */
export type Stream<Request, Answer> = (
  request: Draft<Request>,
  options?: CallOptions,
) => AsyncGenerator<Answer, void>;

/** Where tokens come from. The session gives this module one, so that it need not know it. */
export interface Tokens {
  /** The access token at hand; empty where nobody is logged in. */
  current(): string;
  /** A newer token than `stale`; empty where the session has ended. */
  renew(stale: string): Promise<string>;
}

let tokens: Tokens = { current: () => "", renew: async () => "" };

/** Says where tokens come from. */
export function useTokens(source: Tokens): void {
  tokens = source;
}

/** The access token at hand; empty where nobody is logged in. */
export const currentToken = (): string => tokens.current();

/** A newer token than `stale`; empty where the session has ended. */
export const renewedToken = (stale: string): Promise<string> => tokens.renew(stale);

type Fields = Record<string, unknown>;

/** An HTTP request, not yet sent. */
export interface Outgoing {
  verb: string;
  url: string;
  /** JSON, or the bytes of a file as they are. */
  body: string | Blob | undefined;
}

const VARIABLE = /\{([^=}]+)(?:=[^}]*)?\}/g;

const camel = (name: string) =>
  name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** Lays a request out over path, query and body, as its HTTP rule says. */
export function layOut(verb: string, template: string, body: string, request: Fields): Outgoing {
  const left: Fields = { ...request };
  const path = template.replace(VARIABLE, (_, fields: string) => {
    const names = fields.split(".").map(camel);
    let value: unknown = request;
    for (const name of names) value = (value as Fields | undefined)?.[name];
    if (names.length === 1) delete left[names[0] as string];
    return String(value ?? "")
      .split("/")
      .map(encodeURIComponent)
      .join("/");
  });
  if (body === "*") return { verb, url: path, body: JSON.stringify(left) };
  let sent: string | Blob | undefined;
  if (body) {
    const value = left[body];
    sent = value instanceof Blob ? value : JSON.stringify(value ?? {});
    delete left[body];
  }
  const query = new URLSearchParams();
  addQuery(query, "", left);
  const text = query.toString();
  return { verb, url: text ? `${path}?${text}` : path, body: sent };
}

function addQuery(query: URLSearchParams, prefix: string, fields: Fields): void {
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null || value === "") continue;
    const path = prefix + name;
    if (Array.isArray(value)) for (const one of value) query.append(path, String(one));
    else if (typeof value === "object") addQuery(query, `${path}.`, value as Fields);
    else query.append(path, String(value));
  }
}

/** Sends a request, with a newer token where the one at hand has ended; answers once it is answered. */
export async function open(
  out: Outgoing,
  accept: string,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const attempt = async (token: string) => {
    const headers: Record<string, string> = { accept };
    if (typeof out.body === "string") headers["content-type"] = "application/json";
    else if (out.body) headers["content-type"] = out.body.type || "application/octet-stream";
    if (token) headers.authorization = `Bearer ${token}`;
    try {
      return await fetch(out.url, {
        method: out.verb,
        headers,
        cache: "no-store",
        ...(out.body === undefined ? {} : { body: out.body }),
        ...(signal ? { signal } : {}),
      });
    } catch (error) {
      throw signal?.aborted ? error : unreachable();
    }
  };
  const token = tokens.current();
  let response = await attempt(token);
  if (response.status === 401 && token) {
    const newer = await tokens.renew(token);
    if (newer) response = await attempt(newer);
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/** A method that answers once. */
export function unary<Request, Answer>(
  verb: string,
  path: string,
  body = "",
): Unary<Request, Answer> {
  return async (request, options) => {
    const out = layOut(verb, path, body, request as Fields);
    const response = await open(out, "application/json", options?.signal);
    const isJson = /\bjson\b/.test(response.headers.get("content-type") ?? "");
    return (isJson ? await response.json() : await response.blob()) as Answer;
  };
}

/** A method that answers with a stream of lines of JSON. */
export function stream<Request, Answer>(
  verb: string,
  path: string,
  body = "",
): Stream<Request, Answer> {
  return async function* (request, options) {
    const out = layOut(verb, path, body, request as Fields);
    const response = await open(out, "application/x-ndjson", options?.signal);
    if (!response.body) return;
    for await (const line of linesOf(response.body)) {
      const message = JSON.parse(line) as Answer & { error?: unknown };
      if (message.error) throw refusalInStream(message.error);
      yield message;
    }
  };
}

/** The lines of a body, without empty ones. */
export async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split("\n");
      rest = done ? "" : (lines.pop() ?? "");
      for (const line of lines) if (line) yield line;
      if (done) return;
    }
  } finally {
    // Ends the request when the reader of the lines leaves early.
    await reader.cancel().catch(() => undefined);
  }
}

/** A new request id: a random UUID. */
export function requestId(): string {
  // randomUUID is there in secure contexts only; a console in a local network may be plain HTTP.
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
