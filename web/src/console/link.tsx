// The line below the log: how the connection is, and what the server wants to be known.

import { useEffect, useState } from "preact/hooks";
import type { Console } from "./console";

export function LinkState({
  console,
  shown,
  filtered,
}: {
  console: Console;
  shown: number;
  filtered: boolean;
}) {
  const link = console.link.value;
  const notice = console.notice.value;
  return (
    <div class={`log-link is-${link.is}`} role="status" data-link={link.is}>
      <span class="log-dot" aria-hidden="true" />
      {link.is === "live" && <span>Live</span>}
      {link.is === "connecting" && <span>Connecting…</span>}
      {link.is === "ended" && <span>Ended: {link.why}</span>}
      {link.is === "waiting" && (
        <>
          <span>
            {link.why}. Trying again <Countdown until={link.until} />
          </span>
          <button type="button" onClick={() => console.again()}>
            Now
          </button>
        </>
      )}
      {notice && <span class="log-notice">{notice}</span>}
      <span class="log-count">
        {shown.toLocaleString()} {shown === 1 ? "line" : "lines"}
        {filtered && " shown"}
      </span>
    </div>
  );
}

function Countdown({ until }: { until: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.ceil((until - now) / 1000);
  return <>{seconds > 0 ? `in ${seconds} s` : "…"}</>;
}
