// Files on their way, shown at the foot of every page until they are there.

import { signal } from "@preact/signals";
import { sentence } from "../api/faults";
import type { Incoming, TransferOptions } from "../api/transfers";
import { bytes } from "./bytes";
import { saveFile } from "./download";
import { Icon } from "./icons";
import { complain, say } from "./toasts";

interface Transfer {
  id: number;
  title: string;
  done: number;
  /** How many bytes there are in all; 0 where that is not known. */
  all: number;
  stop: AbortController;
}

const transfers = signal<readonly Transfer[]>([]);
let count = 0;

/** From how many bytes on a file goes to the disk as it comes, where the browser can do that. */
const LARGE_BYTES = 256 * 1024 * 1024;

interface Target {
  createWritable(): Promise<WritableStream<Uint8Array>>;
}

type Picker = (wish: { suggestedName: string }) => Promise<Target>;

/** Runs something that moves a file, and shows how far it is. */
async function shown(
  title: string,
  all: number,
  work: (options: Required<Pick<TransferOptions, "signal" | "progress">>) => Promise<void>,
): Promise<boolean> {
  count += 1;
  const transfer: Transfer = { id: count, title, done: 0, all, stop: new AbortController() };
  const { id, stop } = transfer;
  transfers.value = [...transfers.value, transfer];
  const progress = (done: number, known: number) => {
    transfers.value = transfers.value.map((one) =>
      one.id === id ? { ...one, done, all: known || one.all } : one,
    );
  };
  try {
    await work({ signal: stop.signal, progress });
    return true;
  } catch (error) {
    if (!stop.signal.aborted) complain(new Error(`${title}: ${sentence(error)}`));
    return false;
  } finally {
    transfers.value = transfers.value.filter((one) => one.id !== id);
  }
}

/**
 * Fetches a file and gives it to the person.
 *
 * @param title what is fetched, for people.
 * @param name what the file is called where the server does not say.
 * @param size about how many bytes it has; 0 where that is not known.
 */
export async function fetchFile(
  title: string,
  name: string,
  size: number,
  call: (options: TransferOptions) => Promise<Incoming>,
): Promise<void> {
  const pick = (window as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  let target: Target | undefined;
  if (size >= LARGE_BYTES && pick) {
    try {
      target = await pick.call(window, { suggestedName: name });
    } catch {
      return;
    }
  }
  await shown(title, size, async (options) => {
    const incoming = await call(options);
    if (target) {
      await incoming.body.pipeTo(await target.createWritable(), { signal: options.signal });
      say(`${title} is there.`);
      return;
    }
    const blob = await new Response(incoming.body, {
      headers: { "content-type": incoming.type },
    }).blob();
    saveFile(incoming.name || name, blob);
  });
}

/** Sends a file; answers whether it has arrived. */
export function sendFile(
  title: string,
  file: File,
  call: (options: TransferOptions) => Promise<void>,
): Promise<boolean> {
  return shown(title, file.size, call);
}

export function Transfers() {
  if (transfers.value.length === 0) return null;
  return (
    <section class="transfers" aria-label="Files on their way">
      {transfers.value.map(({ id, title, done, all, stop }) => (
        <div key={id} class="transfer">
          <div class="row between">
            <span class="transfer-title">{title}</span>
            <span class="small muted">
              {bytes(done)}
              {all > 0 && ` of ${done > all ? "about " : ""}${bytes(all)}`}
            </span>
            <button type="button" class="quiet" aria-label="Cancel" onClick={() => stop.abort()}>
              <Icon name="cross" />
            </button>
          </div>
          <progress
            aria-label={title}
            {...(all > 0 ? { max: all, value: Math.min(done, all) } : {})}
          />
        </div>
      ))}
    </section>
  );
}
