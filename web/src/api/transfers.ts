// Files on their way: sent and fetched with a count of their bytes, and never whole in memory where
// the browser can do without.

import { ApiError, refusalIn, unreachable } from "./faults";
import {
  type CallOptions,
  currentToken,
  type Draft,
  layOut,
  open,
  renewedToken,
} from "./transport";

/** Told how many bytes have gone through, and how many there are in all; 0 where that is not known. */
export type Progress = (done: number, all: number) => void;

export interface TransferOptions extends CallOptions {
  progress?: Progress;
}

/** What comes in as a file. */
export interface Incoming {
  /** The name that the server gives it; empty where it gives none. */
  name: string;
  type: string;
  body: ReadableStream<Uint8Array>;
}

/** A method that answers with a file. */
export type Download<Request> = (
  request: Draft<Request>,
  options?: TransferOptions,
) => Promise<Incoming>;

/** A method that takes a file. */
export type Upload<Request, Answer> = (
  request: Draft<Request>,
  options?: TransferOptions,
) => Promise<Answer>;

type Fields = Record<string, unknown>;

/** A method that answers with a file. */
export function download<Request>(verb: string, path: string, body = ""): Download<Request> {
  return async (request, options) => {
    const response = await open(
      layOut(verb, path, body, request as Fields),
      "*/*",
      options?.signal,
    );
    const all =
      Number(response.headers.get("content-length") ?? response.headers.get("x-volume-bytes")) || 0;
    const source = response.body ?? new Blob([]).stream();
    return {
      name: fileName(response.headers.get("content-disposition") ?? ""),
      type: response.headers.get("content-type") ?? "application/octet-stream",
      body: options?.progress ? source.pipeThrough(counting(options.progress, all)) : source,
    };
  };
}

/** The name in a `Content-Disposition`; empty where there is none. */
export function fileName(disposition: string): string {
  const name = /filename\*?=(?:UTF-8'')?(?:"([^"]*)"|([^;\s]+))/i.exec(disposition);
  const found = name?.[1] ?? name?.[2] ?? "";
  return found.slice(Math.max(found.lastIndexOf("/"), found.lastIndexOf("\\")) + 1);
}

function counting(progress: Progress, all: number): TransformStream<Uint8Array, Uint8Array> {
  let done = 0;
  return new TransformStream({
    transform(chunk, controller) {
      done += chunk.byteLength;
      progress(done, all);
      controller.enqueue(chunk);
    },
  });
}

/** A method that takes a file. `fetch` does not tell how far it is, so an older means sends it. */
export function upload<Request, Answer>(
  verb: string,
  path: string,
  body: string,
): Upload<Request, Answer> {
  return async (request, options) => {
    const out = layOut(verb, path, body, request as Fields);
    const attempt = (token: string) => sent<Answer>(out.verb, out.url, out.body, token, options);
    const token = currentToken();
    try {
      return await attempt(token);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401 || !token) throw error;
      const newer = await renewedToken(token);
      if (!newer) throw error;
      return attempt(newer);
    }
  };
}

function sent<Answer>(
  verb: string,
  url: string,
  body: string | Blob | undefined,
  token: string,
  options: TransferOptions | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open(verb, url);
    call.setRequestHeader("accept", "application/json");
    const type =
      body instanceof Blob ? body.type || "application/octet-stream" : "application/json";
    call.setRequestHeader("content-type", type);
    if (token) call.setRequestHeader("authorization", `Bearer ${token}`);
    call.upload.onprogress = (event) =>
      options?.progress?.(event.loaded, event.lengthComputable ? event.total : 0);
    call.onload = () => {
      const wait = Number(call.getResponseHeader("retry-after"));
      if (call.status >= 200 && call.status < 300) resolve(JSON.parse(call.responseText) as Answer);
      else reject(refusalIn(call.status, wait, call.responseText));
    };
    call.onerror = () => reject(unreachable());
    call.onabort = () => reject(options?.signal?.reason);
    options?.signal?.addEventListener("abort", () => call.abort(), { once: true });
    call.send(body ?? null);
  });
}
