// Files that a page makes.

/** Gives the person a file to keep. */
export function saveFile(name: string, content: Blob | string): void {
  const blob = typeof content === "string" ? new Blob([content], { type: "text/plain" }) : content;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The download has begun with the click; its address is needed until the browser has read it.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
