// Frames leave out what has its default; here they get it back.

import { SHAPES } from "./generated";

interface Shape {
  zeros: Record<string, unknown>;
  parts: Record<string, string>;
}

const shapes: Record<string, Shape> = SHAPES;

/** A message with each field that it must have, in place. */
export function complete<Message>(name: keyof typeof SHAPES, message: unknown): Message {
  fill(shapes[name] as Shape, message as Record<string, unknown>);
  return message as Message;
}

function fill({ zeros, parts }: Shape, message: Record<string, unknown>): void {
  for (const field in zeros) {
    if (field in message) continue;
    const value = zeros[field];
    // Lists and maps are the message's own.
    message[field] = typeof value === "object" ? structuredClone(value) : value;
  }
  for (const field in parts) {
    const part = message[field];
    if (!part) continue;
    const shape = shapes[parts[field] as string] as Shape;
    for (const one of Array.isArray(part) ? part : [part]) fill(shape, one);
  }
}
