// What an instance uses, drawn as lines that go back a minute and a half or so.

import type { Stats } from "../api/generated";
import { bytes } from "../parts/bytes";
import type { Console } from "./console";

export function Use({ console, running }: { console: Console; running: boolean }) {
  const samples = console.samples.value;
  const now = samples.at(-1);
  if (!now || !running) {
    return (
      <p class="muted small">{running ? "Waiting for the first figures…" : "It does not run."}</p>
    );
  }
  const memory = Number(now.memoryBytes);
  const limit = Number(now.memoryLimitBytes);
  return (
    <div class="use">
      <Figure
        label="Processor"
        value={`${percent(now.cpuMillis / 1000)} of a core`}
        points={samples.map((one) => one.cpuMillis)}
        top={Math.max(100, ...samples.map((one) => one.cpuMillis))}
      />
      <Figure
        label="Memory"
        value={limit > 0 ? `${bytes(memory)} of ${bytes(limit)}` : bytes(memory)}
        points={samples.map((one) => Number(one.memoryBytes))}
        top={1.25 * Math.max(1, ...samples.map((one) => Number(one.memoryBytes)))}
      />
      <dl class="facts small">
        {traffic(now) && (
          <>
            <dt>Network</dt>
            <dd>{traffic(now)}</dd>
          </>
        )}
        {now.pids > 0 && (
          <>
            <dt>Processes</dt>
            <dd>{now.pids}</dd>
          </>
        )}
      </dl>
    </div>
  );
}

function traffic({ receivedBytes, sentBytes }: Stats): string {
  const [received, sent] = [Number(receivedBytes ?? 0), Number(sentBytes ?? 0)];
  return received + sent > 0 ? `${bytes(received)} in, ${bytes(sent)} out` : "";
}

function Figure({
  label,
  value,
  points,
  top,
}: {
  label: string;
  value: string;
  points: readonly number[];
  top: number;
}) {
  const step = 100 / Math.max(1, points.length - 1);
  const at = (point: number, index: number) =>
    `${(index * step).toFixed(2)} ${(29 - (28 * point) / top).toFixed(2)}`;
  // One figure alone is a line of its height.
  const drawn = points.length > 1 ? points : [points[0] ?? 0, points[0] ?? 0];
  const path = `M${drawn.map(at).join("L")}`;
  return (
    <figure class="figure">
      <figcaption>
        <span class="muted">{label}</span>
        <span>{value}</span>
      </figcaption>
      <svg viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true" focusable="false">
        <path class="figure-area" d={`${path}L100 30L0 30Z`} />
        <path class="figure-line" d={path} />
      </svg>
    </figure>
  );
}

const percent = (share: number): string => {
  const value = share * 100;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} %`;
};
