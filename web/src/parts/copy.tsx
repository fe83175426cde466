import { useState } from "preact/hooks";
import { Icon } from "./icons";
import { complain } from "./toasts";

/** Puts text on the clipboard. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // The clipboard is there in secure contexts only; this works over plain HTTP too.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "out-of-sight";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("The browser does not let this page copy. Select the text instead.");
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await copyText(text);
      setDone(true);
      setTimeout(() => setDone(false), 1500);
    } catch (error) {
      complain(error);
    }
  };
  return (
    <button
      type="button"
      class="quiet"
      title={label}
      aria-label={done ? "Copied" : label}
      onClick={() => void copy()}
    >
      <Icon name={done ? "check" : "copy"} />
    </button>
  );
}
