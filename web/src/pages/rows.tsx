// A list of things in a form: add, remove, move.

import type { ComponentChildren } from "preact";
import { Icon } from "../parts/icons";

export function Rows<Row>({
  rows,
  onChange,
  fresh,
  add,
  most,
  bare = false,
  children,
}: {
  rows: readonly Row[];
  onChange: (rows: Row[]) => void;
  /** What a new row begins as. */
  fresh: Row;
  add: string;
  most: number;
  /** Without a frame around each, and without moving them. */
  bare?: boolean;
  children: (row: Row, change: (row: Row) => void, at: number) => ComponentChildren;
}) {
  const move = (at: number) => {
    const moved = [...rows];
    const [row] = moved.splice(at, 1);
    moved.splice(at - 1, 0, row as Row);
    onChange(moved);
  };
  return (
    <div class="rows">
      {rows.map((row, at) => (
        <div key={at} class={bare ? "rows-one bare" : "rows-one"}>
          <div class="rows-inside">
            {children(row, (next) => onChange(rows.map((one, i) => (i === at ? next : one))), at)}
          </div>
          <div class="rows-tools">
            {!bare && at > 0 && (
              <button
                type="button"
                class="quiet"
                title="Move up"
                aria-label={`Move number ${at + 1} up`}
                onClick={() => move(at)}
              >
                <Icon name="up" />
              </button>
            )}
            <button
              type="button"
              class="quiet"
              title="Remove"
              aria-label={`Remove number ${at + 1}`}
              onClick={() => onChange(rows.filter((_, i) => i !== at))}
            >
              <Icon name="cross" />
            </button>
          </div>
        </div>
      ))}
      {rows.length < most && (
        <div>
          <button type="button" class="button small" onClick={() => onChange([...rows, fresh])}>
            <Icon name="plus" />
            {add}
          </button>
        </div>
      )}
    </div>
  );
}
