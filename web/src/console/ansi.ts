// Terminal escape sequences in log lines: colours and weights are kept, everything else is dropped.

/** How a run of text looks. */
export interface Look {
  /** A class for one of the 16 colours (`a1` … `a15`), or a CSS colour, or empty for the default. */
  colour: string;
  background: string;
  bold: boolean;
  faint: boolean;
  italic: boolean;
  underline: boolean;
  struck: boolean;
  inverse: boolean;
}

/** A run of text that looks the same throughout. */
export interface Run {
  text: string;
  look: Look;
}

export const PLAIN: Look = {
  colour: "",
  background: "",
  bold: false,
  faint: false,
  italic: false,
  underline: false,
  struck: false,
  inverse: false,
};

// CSI sequences, then OSC ones up to their end, then two-byte ones, then other control characters.
const ESCAPES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /\x1b\[([0-9:;<=>?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f]/g;

/** Whether a line has anything but text in it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const SPECIAL = /[\x00-\x08\x0b-\x1f\x7f]/;

/** A line without escape sequences. */
export function stripped(line: string): string {
  return SPECIAL.test(line) ? line.replace(ESCAPES, "") : line;
}

/** A line as runs of text. Each line begins plain: a log has no screen to keep a colour on. */
export function runsOf(line: string): Run[] {
  if (!SPECIAL.test(line)) return line ? [{ text: line, look: PLAIN }] : [];
  const runs: Run[] = [];
  let look = PLAIN;
  let from = 0;
  for (const match of line.matchAll(ESCAPES)) {
    if (match.index > from) runs.push({ text: line.slice(from, match.index), look });
    from = match.index + match[0].length;
    if (match[2] === "m") look = changed(look, match[1] ?? "");
  }
  if (from < line.length) runs.push({ text: line.slice(from), look });
  return runs;
}

function changed(look: Look, parameters: string): Look {
  const codes = parameters.split(/[;:]/).map(Number);
  let next = { ...look };
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at] as number;
    if (code === 0) next = { ...PLAIN };
    else if (code === 1) next.bold = true;
    else if (code === 2) next.faint = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 9) next.struck = true;
    else if (code === 22) next.bold = next.faint = false;
    else if (code === 23) next.italic = false;
    else if (code === 24) next.underline = false;
    else if (code === 27) next.inverse = false;
    else if (code === 29) next.struck = false;
    else if (code >= 30 && code <= 37) next.colour = `a${code - 30}`;
    else if (code >= 90 && code <= 97) next.colour = `a${code - 82}`;
    else if (code === 39) next.colour = "";
    else if (code >= 40 && code <= 47) next.background = `a${code - 40}`;
    else if (code >= 100 && code <= 107) next.background = `a${code - 92}`;
    else if (code === 49) next.background = "";
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes.slice(at + 1));
      if (code === 38) next.colour = colour;
      else next.background = colour;
      at += used;
    }
  }
  return next;
}

function extended(codes: number[]): [colour: string, used: number] {
  if (codes[0] === 5 && codes[1] !== undefined) return [indexed(codes[1]), 2];
  const [kind, red, green, blue] = codes;
  if (kind === 2 && [red, green, blue].every((part) => part !== undefined && part <= 255)) {
    return [`rgb(${red},${green},${blue})`, 4];
  }
  return ["", codes.length];
}

/** One of the 256 colours: 16 of the theme, a cube of 6 × 6 × 6, 24 greys. */
function indexed(index: number): string {
  if (index < 16) return `a${index}`;
  if (index >= 232) {
    const grey = 8 + 10 * (Math.min(index, 255) - 232);
    return `rgb(${grey},${grey},${grey})`;
  }
  const step = (value: number) => (value === 0 ? 0 : 55 + 40 * value);
  const cube = index - 16;
  const parts = [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map(step);
  return `rgb(${parts.join(",")})`;
}
