// How one sees that a machine is ready.

import type { Probe } from "../api/generated";
import { SelectField, TextField } from "../parts/field";

export function ProbeFields({
  probe,
  onChange,
  field,
}: {
  probe: Probe | undefined;
  onChange: (probe: Probe | undefined) => void;
  field: (name: string) => string | undefined;
}) {
  const kind = probe?.http ? "http" : probe?.log ? "log" : probe?.tcp ? "tcp" : "";
  const choose = (next: string) => {
    const timeout = probe?.timeout ? { timeout: probe.timeout } : {};
    if (next === "tcp") onChange({ tcp: { port: 0 }, ...timeout });
    else if (next === "http") onChange({ http: { port: 0, path: "/" }, ...timeout });
    else if (next === "log") onChange({ log: { pattern: "" }, ...timeout });
    else onChange(undefined);
  };
  return (
    <div class="stack">
      <div class="two">
        <SelectField
          label="It is ready when"
          value={kind}
          onChange={choose}
          choices={[
            ["", "its main port accepts connections, or it runs"],
            ["tcp", "a certain port accepts connections"],
            ["http", "an HTTP GET answers below 400"],
            ["log", "a line of its log matches"],
          ]}
        />
        {kind && (
          <SecondsField
            label="Seconds to become ready"
            placeholder="60"
            value={probe?.timeout ?? ""}
            onChange={(timeout) => {
              const { timeout: _, ...check } = probe ?? {};
              onChange(timeout ? { ...check, timeout } : check);
            }}
            error={field("probe.timeout")}
          />
        )}
      </div>
      {(probe?.tcp || probe?.http) && (
        <div class="two">
          <TextField
            label="Port"
            type="number"
            min={0}
            max={65535}
            hint="0 for the main port."
            value={String(probe.http?.port ?? probe.tcp?.port ?? 0)}
            onChange={(text) => {
              const port = Math.trunc(Number(text)) || 0;
              if (probe.http) onChange({ ...probe, http: { ...probe.http, port } });
              else onChange({ ...probe, tcp: { port } });
            }}
            error={field("probe.tcp.port") ?? field("probe.http.port")}
          />
          {probe.http && (
            <TextField
              label="Path"
              mono
              value={probe.http.path}
              onChange={(path) =>
                onChange({ ...probe, http: { port: probe.http?.port ?? 0, path } })
              }
              error={field("probe.http.path")}
            />
          )}
        </div>
      )}
      {probe?.log && (
        <TextField
          label="Regular expression"
          mono
          placeholder="ready to accept connections"
          spellcheck={false}
          value={probe.log.pattern}
          onChange={(pattern) => onChange({ ...probe, log: { pattern } })}
          error={field("probe.log.pattern")}
        />
      )}
    </div>
  );
}

/** A span of time as seconds: `10s` on the wire. */
export function SecondsField({
  label,
  placeholder,
  value,
  onChange,
  error,
}: {
  label: string;
  placeholder: string;
  value: string;
  onChange: (value: string) => void;
  error: string | undefined;
}) {
  return (
    <TextField
      label={label}
      optional
      type="number"
      min={1}
      placeholder={placeholder}
      value={value.replace(/s$/, "")}
      onChange={(seconds) => onChange(seconds ? `${seconds}s` : "")}
      error={error}
    />
  );
}
