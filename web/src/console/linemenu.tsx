// What one can do with one line of the log.

import { copyText } from "../parts/copy";
import { Icon } from "../parts/icons";
import { complain, say } from "../parts/toasts";
import { stripped } from "./ansi";
import type { Row } from "./lines";

export function LineMenu({
  row,
  comment,
  onClose,
}: {
  row: Row;
  /** Where a comment on the line is written; empty where there is no such place. */
  comment: string;
  onClose: () => void;
}) {
  const copy = async () => {
    try {
      await copyText(stripped(row.text));
      say("The line is on the clipboard.");
    } catch (error) {
      complain(error);
    }
  };
  const number = row.seq.toLocaleString("en");
  return (
    <div class="log-line-menu" role="toolbar" aria-label={`Line ${number}`}>
      <span class="log-line-number">Line {number}</span>
      <button type="button" onClick={() => void copy()}>
        Copy
      </button>
      {comment && <a href={comment}>Comment on it</a>}
      <button type="button" aria-label="Close" title="Close" onClick={onClose}>
        <Icon name="cross" />
      </button>
    </div>
  );
}
