// What one may have at once, and what one has.

import { getQuota } from "../../api/generated";
import { Trouble, useLoaded, Waiting } from "../../parts/page";
import { QuotaBars } from "../../parts/quota";
import { AccountFrame } from "./page";

export function QuotaPage() {
  const quota = useLoaded((signal) => getQuota({ name: "users/me/quota" }, { signal }), []);
  return (
    <AccountFrame title="Quota">
      <section class="panel" aria-labelledby="quota">
        <h2 id="quota">What you have, of what you may have at once</h2>
        {quota.error !== undefined && <Trouble error={quota.error} again={quota.again} />}
        {!quota.value && quota.error === undefined && <Waiting />}
        {quota.value && <QuotaBars quota={quota.value} />}
        <p class="note quota-note">
          Disk and allocations count until they are removed; processor and memory only while
          something runs, starts or waits. Whoever runs the allocator can give you more.
        </p>
      </section>
    </AccountFrame>
  );
}
