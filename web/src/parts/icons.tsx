// Our own drawings, 16 × 16, in lines of the text's colour.

const PATHS = {
  alert: "M8 2.2 14.4 13.4H1.6ZM8 6.4v3.2M8 11.4v.2",
  arrow: "M3 8h10M9 4l4 4-4 4",
  bell: "M8 2.2a3.8 3.8 0 0 1 3.8 3.8c0 3.4 1.4 4.6 1.4 5.2H2.8c0-.6 1.4-1.8 1.4-5.2A3.8 3.8 0 0 1 8 2.2ZM6.4 13.4a1.7 1.7 0 0 0 3.2 0",
  bolt: "M9 1.8 3.6 9H7.6L7 14.2 12.4 7H8.4Z",
  check: "M3 8.6 6.4 12 13 4.6",
  chevron: "M4 6l4 4 4-4",
  clock: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2ZM8 5v3.2l2.2 1.4",
  copy: "M5.6 5.6h7.2v7.2H5.6ZM10.4 5.4V3.2H3.2v7.2h2.2",
  cross: "M4 4l8 8M12 4l-8 8",
  dice: "M3 3h10v10H3ZM6 6v.1M10 10v.1M10 6v.1M6 10v.1",
  down: "M8 3v9.4M4 8.6l4 4 4-4",
  download: "M8 2.4v7.4M4.8 6.8 8 10l3.2-3.2M3 13.4h10",
  dislike:
    "M5.4 9.4V3.2h5.8c.7 0 1.3.5 1.4 1.1l.7 3.8c.1.7-.5 1.3-1.2 1.3H9.4l.5 2.9c.1.7-.4 1.3-1.1 1.3L5.4 9.4ZM2.8 3.2v6.2",
  disk: "M2.6 4.6c0-1.2 2.4-2.2 5.4-2.2s5.4 1 5.4 2.2v6.8c0 1.2-2.4 2.2-5.4 2.2s-5.4-1-5.4-2.2ZM2.6 4.6c0 1.2 2.4 2.2 5.4 2.2s5.4-1 5.4-2.2M2.6 8c0 1.2 2.4 2.2 5.4 2.2s5.4-1 5.4-2.2",
  dots: "M3.4 8v.1M8 8v.1M12.6 8v.1",
  external: "M9.4 3H13v3.6M13 3 7.6 8.4M11 9.4V13H3V5h3.6",
  eye: "M1.6 8s2.4-4.4 6.4-4.4S14.4 8 14.4 8 12 12.4 8 12.4 1.6 8 1.6 8ZM8 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6Z",
  filter: "M2.4 4h11.2M4.6 8h6.8M6.8 12h2.4",
  grid: "M2.6 2.6h4.2v4.2H2.6ZM9.2 2.6h4.2v4.2H9.2ZM2.6 9.2h4.2v4.2H2.6ZM9.2 9.2h4.2v4.2H9.2Z",
  key: "M10.4 2.6a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM8.2 7.8 2.8 13.2M4.6 11.4l1.8 1.8",
  fork: "M4.4 2.4v3.2c0 1.4.8 2.2 2.2 2.2h2.8c1.4 0 2.2-.8 2.2-2.2V2.4M8 7.8v5.8M3 3.8l1.4-1.4 1.4 1.4M10.2 3.8l1.4-1.4L13 3.8",
  inbox: "M2.6 9.4 4.2 3.2h7.6l1.6 6.2v3.4H2.6ZM2.6 9.4h3.2l.8 1.6h2.8l.8-1.6h3.2",
  like: "M5.4 6.6v6.2h5.8c.7 0 1.3-.5 1.4-1.1l.7-3.8c.1-.7-.5-1.3-1.2-1.3H9.4l.5-2.9c.1-.7-.4-1.3-1.1-1.3L5.4 6.6ZM2.8 6.6v6.2",
  list: "M2.6 4h10.8M2.6 8h10.8M2.6 12h10.8",
  logout: "M6.4 2.8H3v10.4h3.4M7 8h6.4M10.8 5.2 13.6 8l-2.8 2.8",
  minus: "M3.4 8h9.2",
  moon: "M13 9.6A5.6 5.6 0 1 1 6.4 3a4.6 4.6 0 0 0 6.6 6.6Z",
  pause: "M5.4 3.4v9.2M10.6 3.4v9.2",
  pencil: "M3 13l.6-2.8 7.2-7.2 2.2 2.2-7.2 7.2ZM9.4 4.4l2.2 2.2",
  play: "M5 3.2 12.4 8 5 12.8Z",
  plus: "M8 3.4v9.2M3.4 8h9.2",
  restart: "M12.8 8a4.8 4.8 0 1 1-1.6-3.6M11.6 1.8v2.8H8.8",
  search: "M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4ZM10.2 10.2l3.2 3.2",
  server: "M2.6 3h10.8v4.2H2.6ZM2.6 8.8h10.8V13H2.6ZM5 5.1v.1M5 10.9v.1",
  stop: "M4 4h8v8H4Z",
  sun: "M8 5.4a2.6 2.6 0 1 0 0 5.2 2.6 2.6 0 0 0 0-5.2ZM8 1.6v1.2M8 13.2v1.2M1.6 8h1.2M13.2 8h1.2M3.5 3.5l.8.8M11.7 11.7l.8.8M3.5 12.5l.8-.8M11.7 4.3l.8-.8",
  system: "M2.4 3.2h11.2v7.6H2.4ZM5.6 13.4h4.8",
  sliders:
    "M2.6 4.4h5M10.8 4.4h2.6M9.2 2.8v3.2M2.6 8h1.6M7.4 8h6M5.8 6.4v3.2M2.6 11.6h6M11.8 11.6h1.6M10.2 10v3.2",
  speech: "M2.6 3h10.8v7.6H8L5 13.2v-2.6H2.6Z",
  top: "M8 13.4V6M4.4 9.2 8 5.6l3.6 3.6M3.4 2.8h9.2",
  trash: "M3 4.4h10M6.2 4.2V2.6h3.6v1.6M4.2 4.6l.6 8.8h6.4l.6-8.8",
  upload: "M8 10.2V2.6M4.8 5.6 8 2.4l3.2 3.2M3 13.4h10",
  up: "M8 13V3.6M4 7.4l4-4 4 4",
  user: "M8 2.4a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6ZM2.8 13.6c.6-2.6 2.6-4 5.2-4s4.6 1.4 5.2 4",
} as const;

export type IconName = keyof typeof PATHS;

/** A drawing beside words: hidden from screen readers. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

const CELLS = [6, 13.25, 20.5];

/** The allocator's mark: a rack of slots, one of them taken. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect class="mark-ground" width="32" height="32" rx="7" />
      {CELLS.flatMap((y) =>
        CELLS.map((x) =>
          x === 13.25 && y === 13.25 ? (
            <rect
              key="taken"
              class="mark-taken"
              x="12.25"
              y="12.25"
              width="7.5"
              height="7.5"
              rx="1.6"
            />
          ) : (
            <rect
              key={`${x}.${y}`}
              class="mark-free"
              x={x}
              y={y}
              width="5.5"
              height="5.5"
              rx="1.2"
            />
          ),
        ),
      )}
    </svg>
  );
}

/** A sign of its own for each machine, made from its name: half of it at random, mirrored. */
export function Tile({ name, large = false }: { name: string; large?: boolean }) {
  const seed = hash(name);
  const cells = [];
  for (let y = 0; y < 5; y += 1) {
    for (let x = 0; x < 3; x += 1) {
      if (((seed >>> (y * 3 + x)) & 1) === 0) continue;
      for (const column of x === 2 ? [2] : [x, 4 - x]) {
        cells.push(
          <rect
            key={`${column}.${y}`}
            x={4 + column * 5}
            y={4 + y * 5}
            width="4"
            height="4"
            rx="1"
          />,
        );
      }
    }
  }
  return (
    <svg
      class={large ? "tile large" : "tile"}
      viewBox="0 0 32 32"
      aria-hidden="true"
      focusable="false"
      style={{ "--hue": String((seed >>> 16) % 360) }}
    >
      <rect class="tile-ground" width="32" height="32" rx="7" />
      {cells}
    </svg>
  );
}

/** FNV-1a, with a last mixing so that similar names look different. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const letter of text)
    value = Math.imul(value ^ (letter.codePointAt(0) as number), 0x01000193);
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  value = Math.imul(value ^ (value >>> 12), 0x297a2d39);
  return (value ^ (value >>> 15)) >>> 0;
}
