// The icon and the banner of a machine.

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import {
  deleteMachinePicture,
  type Machine,
  type Picture,
  setMachinePicture,
} from "../api/generated";
import { confirmed } from "../parts/dialog";
import { MachineIcon } from "../parts/machines";
import { complain, say } from "../parts/toasts";

type Kind = "icon" | "banner";

const HINTS: Record<Kind, string> = {
  icon: "Square, 16 to 1024 pixels, at most 256 KiB.",
  banner: "Wide, 200 to 4096 pixels, at most 900 KiB.",
};

export function Pictures({
  machine,
  onChange,
  disabled,
}: {
  machine: Machine;
  onChange: (machine: Machine) => void;
  disabled: boolean;
}) {
  const { icon, banner } = machine;
  return (
    <section class="panel stack" aria-labelledby="pictures">
      <h2 id="pictures">Pictures</h2>
      <div class="two">
        <OnePicture
          kind="icon"
          machine={machine}
          now={icon}
          onChange={onChange}
          disabled={disabled}
        >
          <MachineIcon machine={machine} large />
        </OnePicture>
        <OnePicture
          kind="banner"
          machine={machine}
          now={banner}
          onChange={onChange}
          disabled={disabled}
        >
          {banner ? (
            <img class="banner-small" src={banner.uri} alt="" />
          ) : (
            <span class="banner-small none" />
          )}
        </OnePicture>
      </div>
    </section>
  );
}

function OnePicture({
  kind,
  machine,
  now,
  onChange,
  disabled,
  children,
}: {
  kind: Kind;
  machine: Machine;
  now: Picture | undefined;
  onChange: (machine: Machine) => void;
  disabled: boolean;
  children: ComponentChildren;
}) {
  const input = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const name = `${machine.name}/${kind}`;
  const run = async (work: () => Promise<Machine>, done: string) => {
    setBusy(true);
    try {
      onChange(await work());
      say(done);
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  const remove = async () => {
    if (!(await confirmed(`Remove the ${kind}?`, "It is gone for good.", "Remove"))) return;
    await run(() => deleteMachinePicture({ name }), `The ${kind} is removed.`);
  };
  return (
    <div class="picture">
      {children}
      <div>
        <strong>{kind === "icon" ? "Icon" : "Banner"}</strong>
        <p class="note">{HINTS[kind]}</p>
        <input
          ref={input}
          type="file"
          hidden
          accept="image/png,image/jpeg,image/webp"
          aria-label={`A file for the ${kind}`}
          onChange={(event) => {
            const picture = event.currentTarget.files?.[0];
            event.currentTarget.value = "";
            if (picture) {
              void run(() => setMachinePicture({ name, picture }), `The ${kind} is set.`);
            }
          }}
        />
        <div class="row">
          <button
            type="button"
            class="button small"
            disabled={busy || disabled}
            onClick={() => input.current?.click()}
          >
            {busy ? "Sending…" : now ? "Replace" : "Upload"}
            <span class="out-of-sight"> the {kind}</span>
          </button>
          {now && (
            <button
              type="button"
              class="button small danger-quiet"
              disabled={busy || disabled}
              onClick={() => void remove()}
            >
              Remove
              <span class="out-of-sight"> the {kind}</span>
            </button>
          )}
        </div>
      </div>
    </div>
  );
}
