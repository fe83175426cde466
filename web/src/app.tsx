// Which page is at which path, and who may see it.

import type { ComponentChildren, VNode } from "preact";
import { useEffect } from "preact/hooks";
import { AllocationsPage } from "./pages/allocations";
import { CataloguePage } from "./pages/catalogue";
import { InboxPage } from "./pages/inbox";
import { LogIn } from "./pages/login";
import { ResetPassword } from "./pages/reset";
import { SignUp } from "./pages/signup";
import { Verify } from "./pages/verify";
import { Dialogs } from "./parts/dialog";
import { lazy } from "./parts/lazy";
import { Empty, Page, Waiting } from "./parts/page";
import { fits, navigate, place } from "./parts/router";
import { Toasts } from "./parts/toasts";
import { Transfers } from "./parts/transfers";
import { isAdmin, sessionState } from "./session/session";
import { TopBar } from "./topbar";

// What is fetched when it is first shown, or when the first page has come to rest.
const AllocationPage = lazy(
  () => import("./pages/allocation").then((file) => file.AllocationPage),
  { ahead: true },
);
const MachinePage = lazy(() => import("./pages/machine").then((file) => file.MachinePage), {
  ahead: true,
});

// What most visits do not need.
const QuotaPage = lazy(() => import("./pages/account/quota").then((file) => file.QuotaPage));
const VolumesPage = lazy(() => import("./pages/volumes").then((file) => file.VolumesPage));
const ClassesPage = lazy(() => import("./pages/admin/classes").then((file) => file.ClassesPage));
const QueuePage = lazy(() => import("./pages/admin/queue").then((file) => file.QueuePage));
const NodesPage = lazy(() => import("./pages/admin/nodes").then((file) => file.NodesPage));
const UsagePage = lazy(() => import("./pages/admin/usage").then((file) => file.UsagePage));
const ProfilePage = lazy(() => import("./pages/account/pages").then((file) => file.ProfilePage));
const SecurityPage = lazy(() => import("./pages/account/pages").then((file) => file.SecurityPage));
const PreferencesPage = lazy(() =>
  import("./pages/account/preferences").then((file) => file.PreferencesPage),
);
const TokensPage = lazy(() => import("./pages/account/tokens").then((file) => file.TokensPage));
const WebhooksPage = lazy(() =>
  import("./pages/account/webhooks").then((file) => file.WebhooksPage),
);
const AuditPage = lazy(() => import("./pages/admin/audit").then((file) => file.AuditPage));
const DeadLettersPage = lazy(() =>
  import("./pages/admin/dead-letters").then((file) => file.DeadLettersPage),
);
const PeoplePage = lazy(() => import("./pages/admin/people").then((file) => file.PeoplePage));
const InvitationsPage = lazy(() =>
  import("./pages/admin/invitations").then((file) => file.InvitationsPage),
);
const EditMachinePage = lazy(() =>
  import("./pages/machine-edit").then((file) => file.EditMachinePage),
);
const MachinesPage = lazy(() => import("./pages/machines").then((file) => file.MachinesPage));
const MyMachinesPage = lazy(() => import("./pages/machines").then((file) => file.MyMachinesPage));

type Who = "anybody" | "person" | "admin" | "stranger";
type Parts = Record<string, string>;

const ROUTES: readonly (readonly [path: string, who: Who, page: (parts: Parts) => VNode])[] = [
  ["/", "anybody", () => <CataloguePage />],
  ["/login", "stranger", () => <LogIn />],
  ["/signup", "stranger", () => <SignUp />],
  ["/reset", "stranger", () => <ResetPassword />],
  ["/verify", "stranger", () => <Verify />],
  ["/machines/:id", "anybody", ({ id }) => <MachinePage key={id} name={`machines/${id}`} />],
  ["/allocations", "person", () => <AllocationsPage />],
  [
    "/allocations/:id",
    "person",
    ({ id }) => <AllocationPage key={id} name={`allocations/${id}`} />,
  ],
  ["/volumes", "person", () => <VolumesPage />],
  ["/mine", "person", () => <MyMachinesPage />],
  ["/mine/new", "person", () => <EditMachinePage home="/mine" />],
  [
    "/mine/:id",
    "person",
    ({ id }) => <EditMachinePage key={id} name={`machines/${id}`} home="/mine" />,
  ],
  ["/account", "person", () => <ProfilePage />],
  ["/account/security", "person", () => <SecurityPage />],
  ["/account/quota", "person", () => <QuotaPage />],
  ["/account/tokens", "person", () => <TokensPage />],
  ["/account/notifications", "person", () => <PreferencesPage />],
  ["/account/webhooks", "person", () => <WebhooksPage />],
  ["/inbox", "person", () => <InboxPage />],
  ["/admin/machines", "admin", () => <MachinesPage />],
  ["/admin/machines/new", "admin", () => <EditMachinePage home="/admin/machines" />],
  [
    "/admin/machines/:id",
    "admin",
    ({ id }) => <EditMachinePage key={id} name={`machines/${id}`} home="/admin/machines" />,
  ],
  ["/admin/people", "admin", () => <PeoplePage />],
  ["/admin/invitations", "admin", () => <InvitationsPage />],
  ["/admin/classes", "admin", () => <ClassesPage />],
  ["/admin/queue", "admin", () => <QueuePage />],
  ["/admin/nodes", "admin", () => <NodesPage />],
  ["/admin/usage", "admin", () => <UsagePage />],
  ["/admin/dead-letters", "admin", () => <DeadLettersPage />],
  ["/admin/audit", "admin", () => <AuditPage />],
];

export function App() {
  return (
    <>
      <Shown />
      <Transfers />
      <Toasts />
      <Dialogs />
    </>
  );
}

function Shown() {
  const { path } = place.value;
  if (sessionState.value === "restoring") return <Waiting />;
  for (const [pattern, who, page] of ROUTES) {
    const parts = fits(pattern, path);
    if (!parts) continue;
    if (who === "stranger") {
      return sessionState.value === "in" ? <GoOn /> : page(parts);
    }
    if (who !== "anybody" && sessionState.value === "out") return <LogInFirst />;
    if (who === "admin" && !isAdmin()) return <Nothing />;
    return <Frame>{page(parts)}</Frame>;
  }
  return <Nothing />;
}

function Frame({ children }: { children: ComponentChildren }) {
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <TopBar />
      {children}
    </>
  );
}

function Nothing() {
  return (
    <Frame>
      <Page title="Not found">
        <Empty icon="search" title="There is no such page">
          <a class="button" href="/">
            To the catalogue
          </a>
        </Empty>
      </Page>
    </Frame>
  );
}

/** Sends a stranger to the log-in, and back afterwards. */
function LogInFirst() {
  useEffect(() => {
    const to = encodeURIComponent(location.pathname + location.search);
    void navigate(`/login?to=${to}`, { replace: true });
  }, []);
  return <Waiting />;
}

/** Sends somebody who is logged in away from the log-in. */
function GoOn() {
  useEffect(() => {
    const to = new URLSearchParams(location.search).get("to") ?? "";
    void navigate(/^\/[^/\\]/.test(to) ? to : "/", { replace: true });
  }, []);
  return <Waiting />;
}
