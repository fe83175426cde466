// The frame of the pages for people who are not logged in.

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Icon, Mark } from "../parts/icons";

export function Entry({
  title,
  lead,
  children,
  foot,
}: {
  title: string;
  lead?: ComponentChildren;
  children: ComponentChildren;
  foot?: ComponentChildren;
}) {
  useEffect(() => {
    document.title = `${title} · the allocator`;
  }, [title]);
  return (
    <main id="main" class="entry">
      <div class="entry-card">
        <a class="brand" href="/">
          <Mark />
          the allocator
        </a>
        <h1>{title}</h1>
        {lead && <p class="muted">{lead}</p>}
        {children}
      </div>
      {foot && <p class="entry-foot">{foot}</p>}
    </main>
  );
}

/** What was wrong with the form as a whole. */
export function FormFault({ text }: { text: string }) {
  if (!text) return null;
  return (
    <div class="trouble" role="alert">
      <Icon name="alert" />
      <span>{text}</span>
    </div>
  );
}
