// One machine of the catalogue: what it is, what people say of it, and the form that rents it.

import { useState } from "preact/hooks";
import { exportMachine, getMachine, type Machine } from "../api/generated";
import { Feed } from "../feed/feed";
import { Rating } from "../feed/rating";
import { useSummary } from "../feed/summary";
import { saveFile } from "../parts/download";
import { Icon } from "../parts/icons";
import { idOf, MachineIcon, PortTags, price } from "../parts/machines";
import { Markdown } from "../parts/markdown";
import { Page, Trouble, useLoaded, Waiting } from "../parts/page";
import { MachineChip } from "../parts/state";
import { complain } from "../parts/toasts";
import { isAdmin, person, sessionState } from "../session/session";
import { ForkButton } from "./machine-fork";
import { Versions } from "./machine-versions";
import { Rent } from "./rent";
import { addressOf } from "./search";

export function MachinePage({ name }: { name: string }) {
  const machine = useLoaded(
    (signal) => getMachine({ name }, { signal }),
    [name, sessionState.value],
  );
  if (!machine.value) {
    return (
      <Page title="Machine">
        {machine.error === undefined ? (
          <Waiting />
        ) : (
          <Trouble error={machine.error} again={machine.again} />
        )}
      </Page>
    );
  }
  return <Shown machine={machine.value} />;
}

function Shown({ machine }: { machine: Machine }) {
  const { name, banner } = machine;
  const summary = useSummary(name);
  const own = machine.publisher !== "" && machine.publisher === person.value?.name;
  const heading = (
    <>
      <MachineIcon machine={machine} large />
      <span>
        <span class="row wrap">
          {machine.title}
          {machine.state !== "ACTIVE" && <MachineChip state={machine.state} />}
        </span>
        <span class="under mono">{idOf(name)}</span>
      </span>
    </>
  );
  return (
    <Page title={machine.title} heading={heading} actions={<Actions machine={machine} own={own} />}>
      <div class="split">
        <div class="stack">
          {banner && (
            <img
              class="banner"
              src={banner.uri}
              alt=""
              width={banner.width}
              height={banner.height}
            />
          )}
          {machine.description ? (
            <Markdown text={machine.description} />
          ) : (
            <p class="muted">It has no description.</p>
          )}
          <Facts machine={machine} />
          <Versions machine={machine} />
        </div>
        <div class="split-side">
          <section class="panel" aria-labelledby="rent">
            <h2 id="rent">Rent it</h2>
            <Rent machine={machine} />
          </section>
          <Rating machine={machine} summary={summary} />
        </div>
        <Feed machine={machine} summary={summary} own={own} />
      </div>
    </Page>
  );
}

function Actions({ machine, own }: { machine: Machine; own: boolean }) {
  const [busy, setBusy] = useState(false);
  const id = idOf(machine.name);
  const edits = isAdmin() || (own && machine.state === "DRAFT");
  const save = async () => {
    setBusy(true);
    try {
      saveFile(`${id}.yaml`, await exportMachine({ name: machine.name }));
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      {edits && (
        <a class="button small" href={isAdmin() ? `/admin/machines/${id}` : `/mine/${id}`}>
          <Icon name="pencil" />
          Edit
        </a>
      )}
      <ForkButton machine={machine} />
      <button type="button" class="button small" disabled={busy} onClick={() => void save()}>
        <Icon name="download" />
        YAML
      </button>
    </>
  );
}

function Facts({ machine }: { machine: Machine }) {
  const { forkedFrom, category, tags } = machine;
  const search = { query: "", category: "", tag: "", order: "" };
  return (
    <dl class="facts">
      <dt>Ports</dt>
      <dd class="row wrap">
        <PortTags machine={machine} />
      </dd>
      {machine.image && (
        <>
          <dt>Image</dt>
          <dd class="mono">{machine.image}</dd>
        </>
      )}
      <dt>Size</dt>
      <dd>{machine.resourceClass || "small"}</dd>
      <dt>Price</dt>
      <dd>{price(machine.pricePerHour)}</dd>
      {machine.stock > 0 && (
        <>
          <dt>Stock</dt>
          <dd>{machine.stock} at once</dd>
        </>
      )}
      {machine.rents > 0 && (
        <>
          <dt>Rented</dt>
          <dd>{machine.rents === 1 ? "once" : `${machine.rents} times`}</dd>
        </>
      )}
      {(category || tags.length > 0) && (
        <>
          <dt>Found by</dt>
          <dd class="row wrap tags">
            {category && (
              <a class="tag" href={addressOf({ ...search, category })}>
                {category}
              </a>
            )}
            {tags.map((tag) => (
              <a key={tag} class="tag" href={addressOf({ ...search, tag })}>
                {tag}
              </a>
            ))}
          </dd>
        </>
      )}
      {forkedFrom && (
        <>
          <dt>Made from</dt>
          <dd>
            <a href={`/machines/${idOf(forkedFrom.machine)}`}>{idOf(forkedFrom.machine)}</a>,
            version {forkedFrom.version}
          </dd>
        </>
      )}
    </dl>
  );
}
