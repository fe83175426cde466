// Where an allocation answers.

import type { Allocation, Endpoint } from "../api/generated";
import { CopyButton } from "./copy";
import { Icon } from "./icons";
import { isRunning } from "./state";

/** `host:port`, with an address of version 6 in brackets. */
export function hostPort({ host, port }: { host: string; port: number }): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** The address that a browser or a client opens; empty where the endpoint has no scheme. */
export function openAddress(endpoint: Endpoint): string {
  return endpoint.scheme ? `${endpoint.scheme}://${hostPort(endpoint)}` : "";
}

/** The main address in one line. */
export function Address({ allocation }: { allocation: Allocation }) {
  if (!allocation.port) return <span class="faint">no ports</span>;
  const main = allocation.endpoints[0];
  const web = main && /^https?$/.test(main.scheme) ? openAddress(main) : "";
  const text = hostPort(allocation);
  return (
    <span class="address">
      {web && isRunning(allocation.state) ? (
        <a class="mono" href={web} target="_blank" rel="noopener noreferrer">
          {text}
          <Icon name="external" />
        </a>
      ) : (
        <span class="mono">{text}</span>
      )}
      <CopyButton text={text} label="Copy the address" />
    </span>
  );
}
