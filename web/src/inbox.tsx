// The bell in the bar above: how many notices are unread, the newest of them, and a word when one comes.

import { useEffect, useRef, useState } from "preact/hooks";
import { listNotifications, markRead, type Notification } from "./api/generated";
import { followInbox, onNotice, unread } from "./live/inbox";
import { Icon } from "./parts/icons";
import { Trouble, Waiting } from "./parts/page";
import { type Paged, usePaged } from "./parts/paged";
import { complain, tell } from "./parts/toasts";
import { When } from "./parts/when";

const MOST = 8;

/** Marks notices as read, in a list and on the server. */
export async function read(
  list: Paged<Notification>,
  which: { names: string[] } | { all: true },
): Promise<void> {
  const isMeant = ({ name }: Notification) => "all" in which || which.names.includes(name);
  list.change((all) => all.map((one) => (isMeant(one) ? { ...one, read: true } : one)));
  try {
    const { unreadCount } = await markRead(which);
    unread.value = unreadCount;
  } catch (error) {
    complain(error);
    list.again();
  }
}

/** Where a notice leads; empty where it is about nothing that has a page. */
export function placeOf({ resource }: Notification): string {
  if (/^(allocations|machines)\/[a-z0-9-]+$/.test(resource)) return `/${resource}`;
  const machine = /^(machines\/[a-z0-9-]+)\/(comments|reviews)\//.exec(resource)?.[1];
  if (machine) return `/${machine}`;
  return resource.startsWith("deadLetters/") ? "/admin/dead-letters" : "";
}

export function Bell() {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(followInbox, []);
  useEffect(
    () =>
      onNotice((notice) => {
        if (!document.hidden) tell(notice.title, placeOf(notice));
      }),
    [],
  );
  useEffect(() => {
    if (!open) return;
    const away = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setOpen(false);
      button.current?.focus();
    };
    addEventListener("pointerdown", away);
    addEventListener("keydown", onKey);
    return () => {
      removeEventListener("pointerdown", away);
      removeEventListener("keydown", onKey);
    };
  }, [open]);
  const count = unread.value ?? 0;
  const said = count === 0 ? "nothing new" : count === 1 ? "1 unread" : `${count} unread`;
  return (
    <div class="menu-box" ref={box}>
      <button
        ref={button}
        type="button"
        class="quiet bell"
        aria-expanded={open}
        aria-haspopup="true"
        title="Inbox"
        aria-label={`Inbox: ${said}`}
        onClick={() => setOpen(!open)}
      >
        <Icon name="bell" />
        {count > 0 && (
          <span class="bell-count" aria-hidden="true">
            {count > 99 ? "99+" : count}
          </span>
        )}
      </button>
      {open && <Newest onClose={() => setOpen(false)} />}
    </div>
  );
}

function Newest({ onClose }: { onClose: () => void }) {
  const list = usePaged(async (pageToken, signal) => {
    const answer = await listNotifications({ pageSize: MOST, pageToken }, { signal });
    return { items: answer.notifications, nextPageToken: answer.nextPageToken };
  }, []);
  useEffect(
    () => onNotice((notice) => list.change((all) => [notice, ...all].slice(0, MOST))),
    [list.change],
  );
  return (
    <section class="menu inbox-menu" aria-label="Inbox">
      <div class="row between inbox-head">
        <strong>Inbox</strong>
        {(unread.value ?? 0) > 0 && (
          <button type="button" class="link small" onClick={() => void read(list, { all: true })}>
            Mark all read
          </button>
        )}
      </div>
      {!list.items && list.busy && <Waiting />}
      {list.error !== undefined && <Trouble error={list.error} again={list.again} />}
      {list.items?.length === 0 && <p class="muted inbox-empty">Nothing has happened yet.</p>}
      <ul class="inbox-list">
        {list.items?.map((notice) => (
          <Notice key={notice.name} notice={notice} list={list} onFollow={onClose} />
        ))}
      </ul>
      <a class="menu-item inbox-all" href="/inbox" onClick={onClose}>
        Everything
      </a>
    </section>
  );
}

/** One notice in one line: to follow it is to have read it. */
function Notice({
  notice,
  list,
  onFollow,
}: {
  notice: Notification;
  list: Paged<Notification>;
  onFollow: () => void;
}) {
  const follow = () => {
    if (!notice.read) void read(list, { names: [notice.name] });
    onFollow();
  };
  return (
    <li>
      <a
        class={notice.read ? "inbox-item" : "inbox-item unread"}
        href={placeOf(notice) || "/inbox"}
        onClick={follow}
      >
        <span>
          {!notice.read && <span class="out-of-sight">Unread: </span>}
          {notice.title}
        </span>
        <span class="small muted">
          <When time={notice.eventTime ?? notice.createTime} />
        </span>
      </a>
    </li>
  );
}
