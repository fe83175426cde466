// Secrets that the server has made up: told once, in the answer to the rent, and kept by this page
// until the person has taken them.

import { signal } from "@preact/signals";
import type { Allocation } from "../api/generated";
import { CopyButton } from "../parts/copy";

interface Secret {
  key: string;
  value: string;
}

const kept = signal<ReadonlyMap<string, readonly Secret[]>>(new Map());

/** Keeps the secret values of an answer, of those variables that the person has left empty. */
export function rememberMadeUp(allocation: Allocation, left: readonly string[]): void {
  const secrets = allocation.variables.filter(
    ({ key, value, secret }) => secret && value && left.includes(key),
  );
  if (secrets.length === 0) return;
  kept.value = new Map(kept.value).set(allocation.name, secrets);
}

function forget(name: string): void {
  const rest = new Map(kept.value);
  rest.delete(name);
  kept.value = rest;
}

/** What was made up for an allocation, until it is taken. */
export function MadeUp({ name }: { name: string }) {
  const secrets = kept.value.get(name);
  if (!secrets) return null;
  return (
    <section class="once" aria-label="Made up for you">
      <p>
        <strong>Made up for you.</strong> Keep this now: it is not shown again.
      </p>
      {secrets.map(({ key, value }) => (
        <div key={key} class="row wrap">
          <span class="mono small muted">{key}</span>
          <code class="secret grow">{value}</code>
          <CopyButton text={value} label={`Copy ${key}`} />
        </div>
      ))}
      <div class="row end">
        <button type="button" class="button small" onClick={() => forget(name)}>
          I have kept it
        </button>
      </div>
    </section>
  );
}
