// Where somebody is logged in.

import { deleteSession, listSessions, type Session } from "../../api/generated";
import { confirmed } from "../../parts/dialog";
import { Waiting } from "../../parts/page";
import { More, usePaged } from "../../parts/paged";
import { navigate } from "../../parts/router";
import { complain, say } from "../../parts/toasts";
import { When } from "../../parts/when";
import { forgetSession, logOut } from "../../session/session";

export function Sessions() {
  const list = usePaged(async (pageToken, signal) => {
    const answer = await listSessions({ pageSize: 20, pageToken }, { signal });
    return { items: answer.sessions, nextPageToken: answer.nextPageToken };
  }, []);
  const revoke = async (session: Session) => {
    try {
      if (session.current) {
        await logOut();
        await navigate("/login");
        return;
      }
      await deleteSession({ name: session.name });
      list.change((all) => all.filter(({ name }) => name !== session.name));
      say("That session is logged out.");
    } catch (error) {
      complain(error);
    }
  };
  const everywhere = async () => {
    const sure = await confirmed(
      "Log out everywhere?",
      "Every session ends, this one too.",
      "Log out everywhere",
    );
    if (!sure) return;
    try {
      await deleteSession({ name: "sessions/-" });
      forgetSession();
      await navigate("/login");
    } catch (error) {
      complain(error);
    }
  };
  return (
    <section class="panel" aria-labelledby="sessions">
      <div class="row between">
        <h2 id="sessions">Sessions</h2>
        <button type="button" class="button small danger-quiet" onClick={() => void everywhere()}>
          Log out everywhere
        </button>
      </div>
      {!list.items && list.busy && <Waiting />}
      <ul class="lines">
        {list.items?.map((session) => (
          <li key={session.name} class="row between">
            <div>
              <div>
                {session.device || session.userAgent || "Unknown program"}{" "}
                {session.current && <span class="tag good">this one</span>}
              </div>
              <div class="small muted">
                {session.address} · used <When time={session.refreshTime ?? session.createTime} />
              </div>
            </div>
            <button
              type="button"
              class="button small"
              aria-label={`Log out ${session.device || "this session"}`}
              onClick={() => void revoke(session)}
            >
              Log out
            </button>
          </li>
        ))}
      </ul>
      <More list={list} />
    </section>
  );
}
