// What one is told, and over which channel.

import { useRef } from "preact/hooks";
import {
  getNotificationPreferences,
  type NotificationPreference,
  type NotificationPreferences,
  updateNotificationPreferences,
} from "../../api/generated";
import { Trouble, useLoaded, Waiting } from "../../parts/page";
import { complain } from "../../parts/toasts";
import { person } from "../../session/session";
import { kindWords } from "./kinds";
import { AccountFrame } from "./page";

type Channel = "inPage" | "email" | "sms" | "webhook";

const CHANNELS: readonly (readonly [Channel, string])[] = [
  ["inPage", "Inbox"],
  ["email", "E-mail"],
  ["sms", "SMS"],
  ["webhook", "Webhook"],
];

const NAME = "users/me/notificationPreferences";

export function PreferencesPage() {
  const loaded = useLoaded((signal) => getNotificationPreferences({ name: NAME }, { signal }), []);
  return (
    <AccountFrame title="Notifications">
      <section class="panel" aria-labelledby="told">
        <h2 id="told">What you are told</h2>
        <p class="muted small lead">
          Codes, and what guards your account, are sent whatever you choose here.
        </p>
        {loaded.error !== undefined && <Trouble error={loaded.error} again={loaded.again} />}
        {!loaded.value && loaded.error === undefined && <Waiting />}
        {loaded.value && <Grid value={loaded.value} onChange={loaded.set} again={loaded.again} />}
      </section>
    </AccountFrame>
  );
}

function Grid({
  value,
  onChange,
  again,
}: {
  value: NotificationPreferences;
  onChange: (value: NotificationPreferences) => void;
  again: () => void;
}) {
  const last = useRef(Promise.resolve());
  const user = person.value;
  const missing: Partial<Record<Channel, string>> = {
    ...(user?.emailVerified ? {} : { email: "Verify your e-mail address first" }),
    ...(user?.phoneVerified ? {} : { sms: "Add and verify a phone number first" }),
  };
  const turn = (preference: NotificationPreference, channel: Channel, on: boolean) => {
    const changed = { ...preference, [channel]: on };
    // Shown at once; what the server says of it comes in the order in which it was clicked.
    onChange({
      ...value,
      preferences: value.preferences.map((one) => (one === preference ? changed : one)),
    });
    last.current = last.current.then(async () => {
      try {
        const sent = { name: NAME, preferences: [changed] };
        await updateNotificationPreferences({ notificationPreferences: sent });
      } catch (error) {
        complain(error);
        again();
      }
    });
  };
  return (
    <div class="grid-box">
      <table class="grid-table tall">
        <thead>
          <tr>
            <th scope="col">
              <span class="out-of-sight">Of what</span>
            </th>
            {CHANNELS.map(([channel, label]) => (
              <th key={channel} scope="col" title={missing[channel]}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {value.preferences.map((preference) => (
            <tr key={preference.kind}>
              <th scope="row">
                {kindWords(preference.kind)}
                <span class="note">{preference.description}</span>
              </th>
              {CHANNELS.map(([channel, label]) => (
                <td key={channel}>
                  <input
                    type="checkbox"
                    aria-label={`${kindWords(preference.kind)}: ${label}`}
                    title={missing[channel]}
                    checked={preference[channel] ?? false}
                    disabled={missing[channel] !== undefined}
                    onChange={(event) => turn(preference, channel, event.currentTarget.checked)}
                  />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
