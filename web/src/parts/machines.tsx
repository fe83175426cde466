// What pages say about machines.

import type { Machine, MachineAvailability, Money, Picture } from "../api/generated";
import { Tile } from "./icons";

const NOT_HERE: Record<MachineAvailability, string> = {
  AVAILABILITY_UNSPECIFIED: "",
  RUNNABLE: "",
  NEEDS_CONTAINER_RUNTIME: "It needs a container engine, which this installation does not have.",
  NEEDS_PROCESS_RUNTIME: "It has no image, and this installation runs containers only.",
};

/** Why the machine cannot be rented; empty where it can, or where that is not known. */
export function whyNot(machine: Machine): string {
  if (machine.state === "RETIRED") return "It is no longer to be rented.";
  if (machine.state === "DRAFT") return "It is a draft: publish it first.";
  return NOT_HERE[machine.availability] ?? "";
}

/** `€ 0.12 an hour`, or `free`. */
export function price(money: Money | undefined): string {
  const units = Number(money?.minorUnits ?? 0);
  if (!money || units === 0) return "free";
  const format = new Intl.NumberFormat("en", { style: "currency", currency: money.currencyCode });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return `${format.format(units / 10 ** digits)} an hour`;
}

export function PortTags({ machine }: { machine: Machine }) {
  return (
    <>
      {machine.ports.map((port) => (
        <span
          key={`${port.number}${port.protocol}`}
          class="tag mono"
          title={port.title || undefined}
        >
          {port.scheme || (port.protocol === "UDP" ? "udp" : "tcp")}:{port.number}
        </span>
      ))}
      {machine.ports.length === 0 && <span class="tag">log only</span>}
    </>
  );
}

/** The machine's own icon, or the sign that is made from its name. */
export function MachineIcon({
  machine,
  large = false,
}: {
  machine: { name: string; icon?: Picture };
  large?: boolean;
}) {
  const { icon, name } = machine;
  if (!icon) return <Tile name={name} large={large} />;
  const size = large ? 44 : 36;
  return (
    <img
      class={large ? "tile large" : "tile"}
      src={icon.uri}
      alt=""
      width={size}
      height={size}
      loading="lazy"
    />
  );
}

/** The last part of a resource's name. */
export const idOf = (name: string): string => name.slice(name.lastIndexOf("/") + 1);
