// A machine while it is edited, and what of it has changed.

import type {
  Machine,
  MachineStopSignal,
  MachinesVolume,
  Port,
  Probe,
  Variable,
} from "../api/generated";
import type { Draft } from "../api/transport";

/** The fields of a machine that its publisher writes, as the form holds them. */
export interface MachineDraft {
  title: string;
  description: string;
  image: string;
  command: string[];
  needsImage: boolean;
  ports: Port[];
  variables: Variable[];
  volumes: MachinesVolume[];
  resourceClass: string;
  probe: Probe | undefined;
  pricePerHour: { currencyCode: string; minorUnits: string } | undefined;
  stock: number;
  labels: [key: string, value: string][];
  runAs: string;
  stopGrace: string;
  stopSignal: MachineStopSignal;
  category: string;
  tags: string[];
}

export const EMPTY: MachineDraft = {
  title: "",
  description: "",
  image: "",
  command: [],
  needsImage: false,
  ports: [],
  variables: [],
  volumes: [],
  resourceClass: "small",
  probe: undefined,
  pricePerHour: undefined,
  stock: 0,
  labels: [],
  runAs: "",
  stopGrace: "",
  stopSignal: "STOP_SIGNAL_UNSPECIFIED",
  category: "",
  tags: [],
};

export const NEW_PORT: Port = {
  number: 8080,
  protocol: "TCP",
  title: "",
  scheme: "",
};

export const NEW_VARIABLE: Variable = {
  key: "",
  title: "",
  description: "",
  required: false,
  defaultValue: "",
  secret: false,
  choices: [],
  pattern: "",
  generatedLength: 0,
};

export const NEW_VOLUME: MachinesVolume = { path: "/data", sizeMib: 1024, title: "" };

/** What the form shows of a machine. */
export function draftOf(machine: Machine): MachineDraft {
  return {
    title: machine.title,
    description: machine.description,
    image: machine.image,
    command: machine.command,
    needsImage: machine.needsImage,
    ports: machine.ports,
    variables: machine.variables,
    volumes: machine.volumes,
    resourceClass: machine.resourceClass,
    probe: machine.probe,
    pricePerHour: machine.pricePerHour,
    stock: machine.stock,
    labels: Object.entries(machine.labels),
    runAs: machine.runAs,
    stopGrace: machine.stopGrace ?? "",
    stopSignal: machine.stopSignal,
    category: machine.category,
    tags: machine.tags,
  };
}

/** The machine of a request that a draft stands for. */
export function machineOf(draft: MachineDraft): Draft<Machine> {
  const { labels, stopGrace, ...rest } = draft;
  return {
    ...rest,
    title: draft.title.trim(),
    image: draft.image.trim(),
    variables: draft.variables.map((variable) => ({
      ...variable,
      choices: variable.choices.filter((choice) => choice !== ""),
      generatedLength: variable.secret ? variable.generatedLength : 0,
    })),
    labels: Object.fromEntries(labels.filter(([key]) => key)),
    stopGrace: stopGrace || undefined,
    category: draft.category.trim(),
  };
}

/** The names of the fields in which two drafts differ. */
export function differences(one: MachineDraft, other: MachineDraft): (keyof MachineDraft)[] {
  return (Object.keys(EMPTY) as (keyof MachineDraft)[]).filter(
    (name) => JSON.stringify(one[name]) !== JSON.stringify(other[name]),
  );
}

export const FIELD_WORDS: Record<keyof MachineDraft, string> = {
  title: "title",
  description: "description",
  image: "image",
  command: "command",
  needsImage: "where the command is",
  ports: "ports",
  variables: "variables",
  volumes: "volumes",
  resourceClass: "size",
  probe: "readiness check",
  pricePerHour: "price",
  stock: "stock",
  labels: "labels",
  runAs: "user",
  stopGrace: "time to stop",
  stopSignal: "signal to stop",
  category: "category",
  tags: "tags",
};

/** Tags as they are typed, with commas or spaces between them: each once, in small letters. */
export function tagsOf(text: string): string[] {
  const words = text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean);
  return [...new Set(words)];
}

/** A name for the address that fits a title: `My Redis 7` is `my-redis-7`. */
export function idFor(title: string): string {
  return title
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+|-+$/g, "")
    .slice(0, 63)
    .replace(/-+$/, "");
}
