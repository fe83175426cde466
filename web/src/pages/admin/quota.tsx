// For admins: what one person may have at once.

import { useState } from "preact/hooks";
import { ApiError } from "../../api/faults";
import { getQuota, type Quota, type User, updateQuota } from "../../api/generated";
import { TextField } from "../../parts/field";
import { useSending } from "../../parts/form";
import { Modal } from "../../parts/modal";
import { Trouble, useLoaded, Waiting } from "../../parts/page";
import { amountOf, MEASURES, QuotaBars } from "../../parts/quota";
import { say } from "../../parts/toasts";
import { FormFault } from "../entry";

export function QuotaDialog({ user, onClose }: { user: User; onClose: () => void }) {
  const quota = useLoaded((signal) => getQuota({ name: `${user.name}/quota` }, { signal }), []);
  const who = user.email || user.phoneNumber || user.name;
  return (
    <Modal title={`Quota of ${who}`} wide onClose={onClose}>
      {quota.error !== undefined && <Trouble error={quota.error} again={quota.again} />}
      {!quota.value && quota.error === undefined && <Waiting />}
      {quota.value && (
        <Form key={quota.value.etag} quota={quota.value} again={quota.again} onClose={onClose} />
      )}
    </Modal>
  );
}

/** How a field says that there is no limit. */
const UNLIMITED = "unlimited";

function Form({ quota, again, onClose }: { quota: Quota; again: () => void; onClose: () => void }) {
  const [texts, setTexts] = useState<Record<string, string>>(() =>
    Object.fromEntries(
      MEASURES.map(({ name, write }) => {
        const set = amountOf(quota.overrides, name);
        return [name, set === undefined ? "" : set < 0 ? UNLIMITED : write(set)];
      }),
    ),
  );
  const [stale, setStale] = useState(false);
  const wished = MEASURES.map(({ name, read }) => {
    const text = (texts[name] ?? "").trim();
    if (text === "") return [name, undefined] as const;
    return [name, text.toLowerCase() === UNLIMITED ? -1 : (read(text) ?? Number.NaN)] as const;
  });
  const sending = useSending(async () => {
    const overrides = Object.fromEntries(
      wished
        .filter(([, amount]) => amount !== undefined)
        .map(([name, amount]) => [name, name.endsWith("Bytes") ? String(amount) : amount]),
    );
    try {
      const { name, etag } = quota;
      await updateQuota({ quota: { name, etag, overrides }, updateMask: "overrides" });
    } catch (error) {
      setStale(error instanceof ApiError && error.reason === "ETAG_STALE");
      throw error;
    }
    say("Saved. It counts from the next request on.");
    onClose();
  });
  const wrong = wished.some(([, amount]) => Number.isNaN(amount));
  return (
    <form class="stack" onSubmit={sending.submit} noValidate>
      <QuotaBars quota={quota} />
      <FormFault text={sending.rest()} />
      {stale && (
        <button type="button" class="button" onClick={again}>
          Show what it is now
        </button>
      )}
      <div class="two">
        {MEASURES.map(({ name, label, unit, text }, at) => {
          const limit = amountOf(quota.limits, name) ?? -1;
          const unread = Number.isNaN(wished[at]?.[1]);
          return (
            <TextField
              key={name}
              label={label}
              hint={
                amountOf(quota.overrides, name) === undefined
                  ? `By role: ${limit < 0 ? "no limit" : text(limit)}`
                  : "Empty: by role"
              }
              error={unread ? `Write a number (${unit}), or “${UNLIMITED}”.` : undefined}
              placeholder={`by role; ${unit}`}
              value={texts[name] ?? ""}
              onChange={(value) => setTexts({ ...texts, [name]: value })}
            />
          );
        })}
      </div>
      <div class="row end">
        <button type="button" class="button" onClick={onClose}>
          Cancel
        </button>
        <button type="submit" class="button primary" disabled={sending.busy || wrong}>
          {sending.busy ? "Saving…" : "Save"}
        </button>
      </div>
    </form>
  );
}
