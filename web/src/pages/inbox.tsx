// Everything that one was told.

import { useEffect, useState } from "preact/hooks";
import { deleteNotification, listNotifications, type Notification } from "../api/generated";
import { placeOf, read } from "../inbox";
import { onNotice, unread } from "../live/inbox";
import { Icon } from "../parts/icons";
import { Empty, Page, Waiting } from "../parts/page";
import { More, usePaged } from "../parts/paged";
import { complain } from "../parts/toasts";
import { When } from "../parts/when";
import { textParts } from "./notice-text";

export function InboxPage() {
  const [only, setOnly] = useState(false);
  const list = usePaged(
    async (pageToken, signal) => {
      const asked = { filter: only ? "read = false" : "", pageSize: 30, pageToken };
      const answer = await listNotifications(asked, { signal });
      return { items: answer.notifications, nextPageToken: answer.nextPageToken };
    },
    [only],
  );
  useEffect(() => onNotice((notice) => list.change((all) => [notice, ...all])), [list.change]);
  const remove = async (notice: Notification) => {
    try {
      await deleteNotification({ name: notice.name });
      list.change((all) => all.filter(({ name }) => name !== notice.name));
    } catch (error) {
      complain(error);
    }
  };
  return (
    <Page
      title="Inbox"
      actions={
        <>
          <button
            type="button"
            class="button"
            disabled={!unread.value}
            onClick={() => void read(list, { all: true })}
          >
            Mark all read
          </button>
          <a class="button" href="/account/notifications">
            What I am told
          </a>
        </>
      }
    >
      <div class="tools">
        <div class="segments" role="group" aria-label="Which notices">
          <button type="button" aria-pressed={!only} onClick={() => setOnly(false)}>
            All
          </button>
          <button type="button" aria-pressed={only} onClick={() => setOnly(true)}>
            Unread
          </button>
        </div>
      </div>
      {!list.items && list.busy && <Waiting />}
      {list.items?.length === 0 && (
        <Empty icon="inbox" title={only ? "Everything is read" : "Nothing has happened yet"}>
          <p>You are told here when what you rent is ready, fails, stops or ends.</p>
        </Empty>
      )}
      {list.items && list.items.length > 0 && (
        <ul class="notices" aria-busy={list.busy}>
          {list.items.map((notice) => (
            <li key={notice.name} class={notice.read ? "notice" : "notice unread"}>
              <div class="grow">
                <div class="row wrap">
                  <strong>
                    {!notice.read && <span class="out-of-sight">Unread: </span>}
                    {notice.title}
                  </strong>
                  <span class="small muted">
                    <When time={notice.eventTime ?? notice.createTime} />
                  </span>
                </div>
                <Text notice={notice} />
                <div class="row said-tools">
                  {placeOf(notice) && (
                    <a
                      class="small"
                      href={placeOf(notice)}
                      onClick={() => {
                        if (!notice.read) void read(list, { names: [notice.name] });
                      }}
                    >
                      Go there
                    </a>
                  )}
                  {!notice.read && (
                    <button
                      type="button"
                      class="link small"
                      onClick={() => void read(list, { names: [notice.name] })}
                    >
                      Mark read
                    </button>
                  )}
                </div>
              </div>
              <button
                type="button"
                class="quiet"
                title="Remove"
                aria-label={`Remove: ${notice.title}`}
                onClick={() => void remove(notice)}
              >
                <Icon name="cross" />
              </button>
            </li>
          ))}
        </ul>
      )}
      <More list={list} />
    </Page>
  );
}

/** The text of a notice, where it says more than its title. */
function Text({ notice: { title, text } }: { notice: Notification }) {
  const parts = textParts(text);
  if (parts.length === 1 && parts[0]?.text.replace(/\.$/, "") === title) return null;
  return (
    <div class="letter-text">
      {parts.map((part, at) =>
        part.quoted ? <pre key={at}>{part.text}</pre> : <p key={at}>{part.text}</p>,
      )}
    </div>
  );
}
