// One's own account: the frame of its pages.

import type { ComponentChildren } from "preact";
import { Page } from "../../parts/page";
import { SubPages } from "../../parts/tabs";

const PAGES = [
  ["/account", "Profile"],
  ["/account/security", "Security"],
  ["/account/quota", "Quota"],
  ["/account/tokens", "Access tokens"],
  ["/account/notifications", "Notifications"],
  ["/account/webhooks", "Webhooks"],
] as const;

export function AccountFrame({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <Page title={title} heading="Account">
      <div class="with-sub-pages">
        <SubPages label="Account" pages={PAGES} />
        <div class="sub-page">{children}</div>
      </div>
    </Page>
  );
}
