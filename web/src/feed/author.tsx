// Who wrote something, and when.

import { When } from "../parts/when";
import { person } from "../session/session";

/** What somebody is called; never an address. */
export function authorName(author: string, name: string): string {
  if (author === "users/deleted") return "Somebody who has left";
  return name || "Somebody";
}

/** Whether the person wrote it. */
export const isOwn = (author: string): boolean => author !== "" && author === person.value?.name;

export function Byline({
  author,
  name,
  created,
  updated,
}: {
  author: string;
  name: string;
  created: string | undefined;
  updated: string | undefined;
}) {
  const changed = Date.parse(updated ?? "") - Date.parse(created ?? "") > 1000;
  return (
    <span class="byline">
      <span class="initial small-initial" aria-hidden="true">
        {authorName(author, name).slice(0, 1).toUpperCase()}
      </span>
      <strong>{authorName(author, name)}</strong>
      {isOwn(author) && <span class="tag">you</span>}
      <span class="small muted">
        <When time={created} />
        {changed && " · edited"}
      </span>
    </span>
  );
}
