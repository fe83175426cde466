// Pages that are fetched when they are first shown, so that the first page comes quickly.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Page, Trouble, Waiting } from "./page";

/** A page out of a file of its own; `ahead`, it is fetched once the browser has nothing better to do. */
export function lazy<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
  { ahead = false } = {},
): ComponentType<Props> {
  let found: ComponentType<Props> | undefined;
  if (ahead) {
    const early = () =>
      void load().then(
        (page) => {
          found = page;
        },
        // It is asked for again when it is shown.
        () => undefined,
      );
    addEventListener("load", () => setTimeout(early, AHEAD_MS), { once: true });
  }
  return function Lazy(props: Props) {
    const [, setHere] = useState(found !== undefined);
    const [error, setError] = useState<unknown>(undefined);
    useEffect(() => {
      // It may have come, ahead, between the drawing of this and now.
      if (found) {
        setHere(true);
        return;
      }
      let gone = false;
      load()
        .then((page) => {
          found = page;
          if (!gone) setHere(true);
        })
        .catch(() => !gone && setError(new Error(MISSING)));
      return () => {
        gone = true;
      };
    }, []);
    if (found) {
      const Found = found;
      return <Found {...props} />;
    }
    return (
      <Page title="the allocator" heading=" ">
        {error === undefined ? (
          <Waiting />
        ) : (
          <Trouble error={error} again={() => location.reload()} />
        )}
      </Page>
    );
  };
}

/** How long after the first page further ones are fetched ahead. */
const AHEAD_MS = 1500;

// After an update of the allocator the files have other names than this page knows.
const MISSING = "This page cannot be fetched. Load it again.";
