// The frame of the pages for admins.

import type { ComponentChildren } from "preact";
import { Page } from "../../parts/page";
import { SubPages } from "../../parts/tabs";

const PAGES = [
  ["/admin/machines", "Machines"],
  ["/admin/people", "People"],
  ["/admin/invitations", "Invitations"],
  ["/admin/classes", "Sizes"],
  ["/admin/queue", "Queue"],
  ["/admin/nodes", "Nodes"],
  ["/admin/usage", "Usage"],
  ["/admin/dead-letters", "Dead letters"],
  ["/admin/audit", "Audit trail"],
] as const;

export function AdminFrame({
  title,
  actions,
  children,
}: {
  title: string;
  actions?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <Page title={title} actions={actions}>
      <div class="with-sub-pages">
        <SubPages label="Administration" pages={PAGES} />
        <div class="sub-page">{children}</div>
      </div>
    </Page>
  );
}
