// The text of a notice: plain words, and what is quoted as it was.

export interface TextPart {
  text: string;
  /** Whether its line ends and spaces count. */
  quoted: boolean;
}

const QUOTE = "    ";

/** The paragraphs of a text; lines that begin with four spaces are quoted. */
export function textParts(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let open = false;
  for (const line of text.split("\n")) {
    const quoted = line.startsWith(QUOTE);
    const said = quoted ? line.slice(QUOTE.length) : line.trim();
    if (!said && !quoted) {
      open = false;
      continue;
    }
    const last = parts.at(-1);
    if (open && last && last.quoted === quoted) last.text += (quoted ? "\n" : " ") + said;
    else parts.push({ text: said, quoted });
    open = true;
  }
  return parts;
}
