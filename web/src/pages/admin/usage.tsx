// For admins: how the machines of the catalogue have fared.

import { useState } from "preact/hooks";
import {
  downloadUsageReport,
  getMachineUsage,
  listMachines,
  type Machine,
  type MachineUsage,
} from "../../api/generated";
import { availabilityWords } from "../../parts/availability";
import { Icon } from "../../parts/icons";
import { idOf, MachineIcon } from "../../parts/machines";
import { Empty, everyPage, Trouble, useLoaded, Waiting } from "../../parts/page";
import { secondsOf, spanWords } from "../../parts/spans";
import { fetchFile } from "../../parts/transfers";
import { startOf, WINDOWS, type Window } from "../usage";
import { AdminFrame } from "./page";

/** How many machines are asked about at once. */
const AT_ONCE = 6;

interface Fared {
  machine: Machine;
  usage: MachineUsage;
}

async function fared(window: Window, signal: AbortSignal): Promise<Fared[]> {
  const machines = await everyPage(async (pageToken) => {
    const answer = await listMachines({ pageSize: 200, pageToken }, { signal });
    return { items: answer.machines, nextPageToken: answer.nextPageToken };
  });
  const found: Fared[] = [];
  const waiting = [...machines];
  const work = async () => {
    for (let machine = waiting.shift(); machine; machine = waiting.shift()) {
      const request = { name: `${machine.name}/usage`, startTime: startOf(window) };
      found.push({ machine, usage: await getMachineUsage(request, { signal }) });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found
    .filter(({ usage }) => usage.allocationCount > 0)
    .sort((one, other) => secondsOf(other.usage.total?.life) - secondsOf(one.usage.total?.life));
}

export function UsagePage() {
  const [window, setWindow] = useState<Window>("week");
  const list = useLoaded((signal) => fared(window, signal), [window]);
  const report = () =>
    fetchFile("Usage of everybody", "usage.csv", 0, (options) =>
      downloadUsageReport(
        { parent: "users/-", startTime: startOf(window), format: "CSV" },
        options,
      ),
    );
  return (
    <AdminFrame
      title="Usage"
      actions={
        <button type="button" class="button" onClick={() => void report()}>
          <Icon name="download" />
          CSV
        </button>
      }
    >
      <div class="tools">
        <div class="segments" role="group" aria-label="Of which time">
          {WINDOWS.map(([value, label]) => (
            <button
              key={value}
              type="button"
              aria-pressed={window === value}
              onClick={() => setWindow(value)}
            >
              {label}
            </button>
          ))}
        </div>
      </div>
      {list.error !== undefined && <Trouble error={list.error} again={list.again} />}
      {!list.value && list.error === undefined && <Waiting />}
      {list.value?.length === 0 && <Empty icon="clock" title="Nothing was rented in that time" />}
      {list.value && list.value.length > 0 && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Machine</th>
                <th scope="col">Availability</th>
                <th scope="col">Up</th>
                <th scope="col">Down</th>
                <th scope="col">Failures</th>
                <th scope="col">Allocations</th>
              </tr>
            </thead>
            <tbody>
              {list.value.map(({ machine, usage: { total, allocationCount } }) => (
                <tr key={machine.name} data-name={machine.name}>
                  <td>
                    <div class="cell-name">
                      <MachineIcon machine={machine} />
                      <a class="strong" href={`/machines/${idOf(machine.name)}`}>
                        {machine.title}
                      </a>
                    </div>
                  </td>
                  <td class="cell-number strong">{total && availabilityWords(total)}</td>
                  <td class="cell-number small">{spanWords(secondsOf(total?.uptime))}</td>
                  <td class="cell-number small">
                    {secondsOf(total?.downtime) > 0 ? (
                      <>
                        {spanWords(secondsOf(total?.downtime))} <span class="on-phones">down</span>
                      </>
                    ) : (
                      "–"
                    )}
                  </td>
                  <td class="cell-number small">{total?.failureCount || "–"}</td>
                  <td class="cell-number small">
                    {allocationCount} <span class="on-phones">allocations</span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </AdminFrame>
  );
}
