// The fields of a machine.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Port } from "../api/generated";
import { AreaField, CheckField, Field, SelectField, TextField } from "../parts/field";
import { Icon } from "../parts/icons";
import { type MachineDraft, NEW_PORT, NEW_VARIABLE, NEW_VOLUME, tagsOf } from "./machine-draft";
import { ProbeFields, SecondsField } from "./probe-fields";
import { Rows } from "./rows";
import { VariableFields } from "./variable-fields";
import { VolumeFields } from "./volume-fields";

const CLASSES = ["nano", "small", "medium", "large"];

const SIGNALS = [
  ["STOP_SIGNAL_UNSPECIFIED", "the image’s own, else SIGTERM"],
  ...["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"].map(
    (name) => [name, name] as const,
  ),
] as const;

type FieldFault = (name: string) => string | undefined;

export function MachineFields({
  draft,
  onChange,
  field,
  commands = true,
  children,
}: {
  draft: MachineDraft;
  onChange: (draft: MachineDraft) => void;
  field: FieldFault;
  /** Whether a command may be written: only by admins. */
  commands?: boolean;
  children?: ComponentChildren;
}) {
  const set = (change: Partial<MachineDraft>) => onChange({ ...draft, ...change });
  const classes = CLASSES.includes(draft.resourceClass)
    ? CLASSES
    : [...CLASSES, draft.resourceClass].filter(Boolean);
  return (
    <>
      <section class="panel stack" aria-labelledby="what">
        <h2 id="what">What it is</h2>
        <TextField
          label="Title"
          name="title"
          required
          maxLength={80}
          value={draft.title}
          onChange={(title) => set({ title })}
          error={field("title")}
        />
        {children}
        <AreaField
          label="Description"
          optional
          rows={5}
          hint="Markdown. The first paragraph is shown in the catalogue."
          value={draft.description}
          onChange={(description) => set({ description })}
          error={field("description")}
        />
        <div class="two">
          <TextField
            label="Category"
            optional
            name="category"
            maxLength={31}
            placeholder="database"
            spellcheck={false}
            hint="One word, in small letters."
            value={draft.category}
            onChange={(category) => set({ category: category.toLowerCase() })}
            error={field("category")}
          />
          <Tags draft={draft} set={set} field={field} />
        </div>
      </section>

      <section class="panel stack" aria-labelledby="runs">
        <h2 id="runs">What runs</h2>
        <TextField
          label="Image"
          optional={commands}
          mono
          name="image"
          placeholder="redis:7-alpine"
          maxLength={255}
          spellcheck={false}
          value={draft.image}
          onChange={(image) => set({ image })}
          error={field("image") ?? field("machine")}
        />
        {commands ? (
          <>
            <Command draft={draft} set={set} field={field} />
            <CheckField
              label="The command is in the image: it needs a container engine"
              checked={draft.needsImage}
              onChange={(needsImage) => set({ needsImage })}
            />
          </>
        ) : (
          <FixedCommand command={draft.command} />
        )}
        <div class="two">
          <TextField
            label="User inside"
            optional
            mono
            name="run-as"
            placeholder="1000:1000"
            value={draft.runAs}
            onChange={(runAs) => set({ runAs })}
            error={field("runAs")}
          />
          <SecondsField
            label="Seconds to stop"
            placeholder="10"
            value={draft.stopGrace}
            onChange={(stopGrace) => set({ stopGrace })}
            error={field("stopGrace")}
          />
          <SelectField
            label="Signal to stop"
            value={draft.stopSignal}
            onChange={(signal) => set({ stopSignal: signal as MachineDraft["stopSignal"] })}
            choices={SIGNALS}
            error={field("stopSignal")}
          />
        </div>
      </section>

      <section class="panel stack" aria-labelledby="ports">
        <h2 id="ports">Ports</h2>
        <p class="note">The first one is the main port. Without any, it only writes its log.</p>
        <Rows
          rows={draft.ports}
          onChange={(ports) => set({ ports })}
          fresh={NEW_PORT}
          add="Add a port"
          most={8}
        >
          {(port, change, at) => (
            <PortFields
              port={port}
              onChange={change}
              field={(name) => field(`ports[${at}].${name}`)}
            />
          )}
        </Rows>
      </section>

      <section class="panel stack" aria-labelledby="volumes">
        <h2 id="volumes">Volumes</h2>
        <p class="note">
          Folders whose files stay when it is stopped, restarted or made anew. Everything else that
          it writes goes with its container.
        </p>
        <Rows
          rows={draft.volumes}
          onChange={(volumes) => set({ volumes })}
          fresh={NEW_VOLUME}
          add="Add a volume"
          most={8}
        >
          {(volume, change, at) => (
            <VolumeFields
              volume={volume}
              onChange={change}
              field={(name) => field(`volumes[${at}].${name}`)}
            />
          )}
        </Rows>
        {field("volumes") && <p class="note error">{field("volumes")}</p>}
      </section>

      <section class="panel stack" aria-labelledby="variables">
        <h2 id="variables">Variables</h2>
        <p class="note">People are asked for these, in this order, when they rent it.</p>
        <Rows
          rows={draft.variables}
          onChange={(variables) => set({ variables })}
          fresh={NEW_VARIABLE}
          add="Add a variable"
          most={64}
        >
          {(variable, change, at) => (
            <VariableFields
              variable={variable}
              onChange={change}
              field={(name) => field(`variables[${at}].${name}`)}
            />
          )}
        </Rows>
        {field("variables") && <p class="note error">{field("variables")}</p>}
      </section>

      <section class="panel stack" aria-labelledby="ready">
        <h2 id="ready">When it is ready</h2>
        <ProbeFields probe={draft.probe} onChange={(probe) => set({ probe })} field={field} />
      </section>

      <section class="panel stack" aria-labelledby="terms">
        <h2 id="terms">Terms</h2>
        <div class="two">
          <SelectField
            label="Size"
            value={draft.resourceClass || "small"}
            onChange={(resourceClass) => set({ resourceClass })}
            choices={classes.map((one) => [one, one] as const)}
            error={field("resourceClass")}
          />
          <TextField
            label="Stock"
            type="number"
            min={0}
            name="stock"
            hint="How many at once; 0 for no limit."
            value={String(draft.stock)}
            onChange={(stock) => set({ stock: Math.max(0, Math.trunc(Number(stock) || 0)) })}
            error={field("stock")}
          />
        </div>
        <Price draft={draft} set={set} field={field} />
        <Labels draft={draft} set={set} field={field} />
      </section>
    </>
  );
}

interface Part {
  draft: MachineDraft;
  set: (change: Partial<MachineDraft>) => void;
  field: FieldFault;
}

/** Words to find it by. What is typed stays as it is; the draft has the words. */
function Tags({ draft, set, field }: Part) {
  const [text, setText] = useState(draft.tags.join(" "));
  useEffect(() => {
    if (tagsOf(text).join(" ") !== draft.tags.join(" ")) setText(draft.tags.join(" "));
  }, [draft.tags]);
  const wrong = draft.tags.map((_, at) => field(`tags[${at}]`)).find(Boolean);
  return (
    <TextField
      label="Tags"
      optional
      name="tags"
      placeholder="sql key-value"
      spellcheck={false}
      hint="Words to find it by, at most 16."
      value={text}
      onChange={(typed) => {
        setText(typed);
        set({ tags: tagsOf(typed) });
      }}
      error={field("tags") ?? wrong}
    />
  );
}

/** The command of a machine that was forked: only admins change it. */
function FixedCommand({ command }: { command: readonly string[] }) {
  if (command.length === 0) {
    return <p class="note">What the image runs by itself. Only admins give it a command.</p>;
  }
  return (
    <div class="field">
      <span class="strong">Command</span>
      <pre class="fixed">{command.join("\n")}</pre>
      <p class="note">It stays as it was where this was made from. Only admins change it.</p>
    </div>
  );
}

/** The program and its arguments, one box each: nothing has to be quoted. */
function Command({ draft, set, field }: Part) {
  const change = (at: number, text: string) =>
    set({ command: draft.command.map((one, index) => (index === at ? text : one)) });
  const error =
    field("command") ?? draft.command.map((_, at) => field(`command[${at}]`)).find(Boolean);
  return (
    <fieldset class={error ? "field wrong" : "field"}>
      <legend>
        Command <span class="faint">optional</span>
      </legend>
      {draft.command.map((argument, at) => (
        <div key={at} class="joined">
          <textarea
            class="mono argument"
            rows={Math.min(12, argument.split("\n").length)}
            spellcheck={false}
            aria-label={at === 0 ? "Program" : `Argument ${at}`}
            placeholder={at === 0 ? "program" : "argument"}
            value={argument}
            onInput={(event) => change(at, event.currentTarget.value)}
          />
          <button
            type="button"
            class="button icon-only"
            aria-label={at === 0 ? "Remove the program" : `Remove argument ${at}`}
            onClick={() => set({ command: draft.command.filter((_, index) => index !== at) })}
          >
            <Icon name="cross" />
          </button>
        </div>
      ))}
      <div>
        <button
          type="button"
          class="button small"
          onClick={() => set({ command: [...draft.command, ""] })}
        >
          <Icon name="plus" />
          {draft.command.length === 0 ? "Add a command" : "Add an argument"}
        </button>
      </div>
      <div class={error ? "note error" : "note"}>
        {error ??
          "One box for the program, one for each argument. $PORT and the variables are in its environment."}
      </div>
    </fieldset>
  );
}

function PortFields({
  port,
  onChange,
  field,
}: {
  port: Port;
  onChange: (port: Port) => void;
  field: FieldFault;
}) {
  return (
    <div class="four">
      <TextField
        label="Number"
        type="number"
        min={1}
        max={65535}
        value={String(port.number)}
        onChange={(number) => onChange({ ...port, number: Math.trunc(Number(number)) || 0 })}
        error={field("number")}
      />
      <SelectField
        label="Protocol"
        value={port.protocol === "UDP" ? "UDP" : "TCP"}
        onChange={(protocol) => onChange({ ...port, protocol: protocol as Port["protocol"] })}
        choices={[
          ["TCP", "TCP"],
          ["UDP", "UDP"],
        ]}
      />
      <TextField
        label="Scheme"
        mono
        placeholder="http"
        value={port.scheme}
        onChange={(scheme) => onChange({ ...port, scheme })}
        error={field("scheme")}
      />
      <TextField
        label="Title"
        placeholder="web page"
        maxLength={40}
        value={port.title}
        onChange={(title) => onChange({ ...port, title })}
        error={field("title")}
      />
    </div>
  );
}

function Price({ draft, set, field }: Part) {
  const { pricePerHour: price } = draft;
  const amount = price ? String(Number(price.minorUnits) / 100) : "";
  const currencyCode = price?.currencyCode ?? "EUR";
  const write = (text: string, currency: string) => {
    const cents = Math.round(Number(text) * 100);
    const costs = text !== "" && cents >= 0;
    set({
      pricePerHour: costs ? { currencyCode: currency, minorUnits: String(cents) } : undefined,
    });
  };
  return (
    <div class="two">
      <TextField
        label="Price of an hour"
        optional
        type="number"
        min={0}
        name="price"
        placeholder="free"
        value={amount}
        onChange={(text) => write(text, currencyCode)}
        error={field("pricePerHour.minorUnits")}
      />
      <TextField
        label="Currency"
        mono
        maxLength={3}
        value={currencyCode}
        onChange={(text) => write(amount || "0", text.toUpperCase())}
        error={field("pricePerHour.currencyCode")}
      />
    </div>
  );
}

function Labels({ draft, set, field }: Part) {
  return (
    <Field label="Labels" optional error={field("labels")}>
      {() => (
        <Rows
          rows={draft.labels}
          onChange={(labels) => set({ labels })}
          fresh={["", ""] as [string, string]}
          add="Add a label"
          most={64}
          bare
        >
          {([key, value], change) => (
            <div class="two">
              <input
                class="mono"
                aria-label="Key"
                placeholder="key"
                value={key}
                onInput={(event) => change([event.currentTarget.value, value])}
              />
              <input
                aria-label="Value"
                placeholder="value"
                value={value}
                onInput={(event) => change([key, event.currentTarget.value])}
              />
            </div>
          )}
        </Rows>
      )}
    </Field>
  );
}
