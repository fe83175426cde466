import { useMemo, useState } from "preact/hooks";
import { listMachines, type Machine } from "../api/generated";
import { Icon, Tile } from "../parts/icons";
import { idOf, PortTags, price, whyNot } from "../parts/machines";
import { firstWords } from "../parts/markdown";
import { Empty, everyPage, Page, Trouble, useLoaded, Waiting } from "../parts/page";
import { isAdmin, sessionState } from "../session/session";

const ORDERS = [
  ["title", "By title"],
  ["create_time desc", "Newest first"],
  ["update_time desc", "Lately changed"],
] as const;

export function CataloguePage() {
  const [order, setOrder] = useState<string>("title");
  const [wanted, setWanted] = useState("");
  const machines = useLoaded(
    (signal) =>
      everyPage(async (pageToken) => {
        const filter = "state = ACTIVE";
        const asked = { orderBy: order, pageSize: 200, pageToken, filter };
        const answer = await listMachines(asked, { signal });
        return { items: answer.machines, nextPageToken: answer.nextPageToken };
      }),
    [order, sessionState.value],
  );
  const found = useMemo(() => {
    const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
    return machines.value?.filter((machine) => {
      const text = `${machine.title} ${machine.name} ${machine.description} ${machine.image}`;
      return words.every((word) => text.toLowerCase().includes(word));
    });
  }, [machines.value, wanted]);

  return (
    <Page title="Catalogue">
      <div class="tools">
        <label class="search">
          <Icon name="search" />
          <input
            type="search"
            placeholder="Search machines"
            aria-label="Search machines"
            value={wanted}
            onInput={(event) => setWanted(event.currentTarget.value)}
          />
        </label>
        <select
          aria-label="Order"
          value={order}
          onChange={(event) => setOrder(event.currentTarget.value)}
        >
          {ORDERS.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </div>
      {machines.error !== undefined && <Trouble error={machines.error} again={machines.again} />}
      {!machines.value && machines.error === undefined && <Waiting />}
      {found && found.length > 0 && (
        <ul class="cards">
          {found.map((machine) => (
            <Card key={machine.name} machine={machine} />
          ))}
        </ul>
      )}
      {found?.length === 0 && <NothingFound wanted={wanted} clear={() => setWanted("")} />}
    </Page>
  );
}

function NothingFound({ wanted, clear }: { wanted: string; clear: () => void }) {
  if (wanted) {
    return (
      <Empty icon="search" title={`Nothing fits “${wanted}”`}>
        <button type="button" class="button" onClick={clear}>
          Show all
        </button>
      </Empty>
    );
  }
  return (
    <Empty icon="grid" title="The catalogue is empty">
      {isAdmin() ? (
        <a class="button primary" href="/admin/machines/new">
          Add a machine
        </a>
      ) : (
        <p>As soon as an admin publishes a machine, it is here.</p>
      )}
    </Empty>
  );
}

function Card({ machine }: { machine: Machine }) {
  const why = whyNot(machine);
  return (
    <li class={why ? "card off" : "card"}>
      <div class="card-head">
        <Tile name={machine.name} />
        <div>
          <h2>
            <a href={`/machines/${idOf(machine.name)}`}>{machine.title}</a>
          </h2>
          <span class="mono faint small">{idOf(machine.name)}</span>
        </div>
      </div>
      <p class="card-text">{firstWords(machine.description)}</p>
      {why && <p class="card-why">{why}</p>}
      <div class="card-foot">
        <PortTags machine={machine} />
        {machine.resourceClass && <span class="tag">{machine.resourceClass}</span>}
        <span class="card-price">{price(machine.pricePerHour)}</span>
      </div>
    </li>
  );
}
