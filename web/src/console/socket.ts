// The console's WebSocket: who we are, from where to go on, and opening it again when it breaks.

import { complete } from "../api/complete";
import type { ClientFrame, Hello, ServerFrame } from "../api/generated";
import type { Draft } from "../api/transport";
import { Backoff } from "../live/backoff";
import { accessToken, onToken, renewToken } from "../session/session";

/** How the connection is. */
export type Link =
  | { is: "connecting" }
  | { is: "live" }
  | { is: "waiting"; until: number; why: string }
  | { is: "ended"; why: string };

export interface ConsoleEvents {
  /** Called with each frame that is not about the connection itself. */
  frame(frame: ServerFrame): void;
  hello(hello: Hello): void;
  link(link: Link): void;
  /** The number to go on from, or a negative one for that many lines from the end. */
  cursor(): number;
}

/** Sockets say something at least this often, unless `hello` says otherwise. */
const HEARTBEAT_MS = 15_000;
const TOKEN_REASONS = new Set(["TOKEN_EXPIRED", "TOKEN_INVALID", "TOKEN_REVOKED", "TOKEN_MISSING"]);

/** There is no log before the first start: it is worth asking again. */
const NOT_YET = "LOG_NOT_FOUND";

/** A console that stays open until it is closed, or the server says that there is no use. */
export class ConsoleSocket {
  #socket: WebSocket | undefined;
  #backoff = new Backoff();
  #silence = 0;
  #retry = 0;
  #heartbeat = HEARTBEAT_MS;
  #closed = false;
  #forget: () => void;

  constructor(
    private readonly allocation: string,
    private readonly events: ConsoleEvents,
  ) {
    this.#forget = onToken((token) => this.#send({ auth: { token } }));
    this.#open();
  }

  /** Opens the socket now instead of after the wait. */
  again(): void {
    clearTimeout(this.#retry);
    this.#drop();
    this.#open();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#forget();
    this.#drop();
  }

  #open(): void {
    if (this.#closed) return;
    this.events.link({ is: "connecting" });
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/v1/${this.allocation}/console`);
    this.#socket = socket;
    socket.onopen = () => {
      this.#send({ auth: { token: accessToken() } });
      this.#send({ resume: { cursor: String(this.events.cursor()) } });
      this.#alive();
    };
    socket.onmessage = (event) => {
      this.#alive();
      this.#read(complete<ServerFrame>("ServerFrame", JSON.parse(event.data as string)));
    };
    socket.onclose = () => {
      if (socket === this.#socket) this.#broken("the connection was lost");
    };
  }

  #read(frame: ServerFrame): void {
    if (frame.hello) {
      const seconds = Number.parseFloat(frame.hello.heartbeat ?? "");
      if (seconds > 0) this.#heartbeat = seconds * 1000;
      this.#backoff.reset();
      this.events.hello(frame.hello);
      this.events.link({ is: "live" });
    } else if (frame.authExpiring) {
      // The listener for new tokens sends `auth`.
      void renewToken(accessToken()).catch(() => undefined);
    } else if (frame.bye) {
      void this.#bye(frame.bye.reason, frame.bye.message, frame.bye.retryAfter);
    } else {
      this.events.frame(frame);
    }
  }

  async #bye(reason: string, message: string, retryAfter: string | undefined): Promise<void> {
    this.#drop();
    if (TOKEN_REASONS.has(reason)) {
      const token = await renewToken(accessToken()).catch(() => "");
      if (token) return this.#broken(message, 0);
      this.events.link({ is: "ended", why: message });
    } else if (reason === NOT_YET) {
      this.#broken(message, 0);
    } else if (retryAfter !== undefined) {
      this.#broken(message, Number.parseFloat(retryAfter) * 1000);
    } else {
      this.events.link({ is: "ended", why: message });
    }
  }

  #broken(why: string, atLeast = 0): void {
    this.#drop();
    if (this.#closed) return;
    const wait = Math.max(atLeast, this.#backoff.next());
    this.events.link({ is: "waiting", until: Date.now() + wait, why });
    this.#retry = window.setTimeout(() => void this.#reopen(), wait);
  }

  async #reopen(): Promise<void> {
    // A socket that was refused does not say why; a token that has ended is the usual reason.
    if (this.#backoff.attempts > 2) await renewToken(accessToken()).catch(() => undefined);
    this.#open();
  }

  #alive(): void {
    clearTimeout(this.#silence);
    this.#silence = window.setTimeout(
      () => this.#broken("the connection went silent"),
      this.#heartbeat * 2,
    );
  }

  #send(frame: Draft<ClientFrame>): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #drop(): void {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }
}
