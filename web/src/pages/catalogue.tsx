import { useEffect, useState } from "preact/hooks";
import { batchGetSummaries, type FeedSummary, listMachines, type Machine } from "../api/generated";
import { Icon } from "../parts/icons";
import { idOf, MachineIcon, PortTags, price, whyNot } from "../parts/machines";
import { firstWords } from "../parts/markdown";
import { Empty, Page, Waiting } from "../parts/page";
import { More, type Paged, usePaged } from "../parts/paged";
import { navigate, place } from "../parts/router";
import { ratingText, Stars } from "../parts/stars";
import { SearchField } from "../parts/typing";
import { isAdmin, sessionState } from "../session/session";
import { addressOf, ORDERS, requestOf, type Search, searchOf } from "./search";

const PAGE_SIZE = 48;

export function CataloguePage() {
  const search = searchOf(place.value.query);
  const key = addressOf(search);
  const list = usePaged(
    async (pageToken, signal) => {
      const asked = { ...requestOf(search), pageSize: PAGE_SIZE, pageToken };
      const answer = await listMachines(asked, { signal });
      return { items: answer.machines, nextPageToken: answer.nextPageToken };
    },
    [key, sessionState.value],
  );
  const likes = useSummaries(list.items);
  const categories = useCategories(list, search);
  const change = (next: Partial<Search>) =>
    void navigate(addressOf({ ...search, ...next }), { replace: true, stay: true });

  return (
    <Page title="Catalogue">
      <search class="tools">
        <SearchField
          label="Search machines"
          value={search.query}
          onChange={(query) => change({ query })}
        />
        <select
          aria-label="Order"
          value={search.order}
          onChange={(event) => change({ order: event.currentTarget.value })}
        >
          {search.query && <option value="">Best match</option>}
          {ORDERS.map(([value, , label], at) => (
            <option key={value} value={at === 0 && !search.query ? "" : value}>
              {label}
            </option>
          ))}
        </select>
      </search>
      {(categories.length > 0 || search.tag) && (
        <Filters categories={categories} search={search} change={change} />
      )}
      {!list.items && list.busy && <Waiting />}
      {list.items && list.items.length > 0 && (
        <ul class={list.busy ? "cards stale" : "cards"} aria-busy={list.busy}>
          {list.items.map((machine) => (
            <Card key={machine.name} machine={machine} summary={likes.get(machine.name)} />
          ))}
        </ul>
      )}
      {list.items?.length === 0 && list.error === undefined && <NothingFound search={search} />}
      <More list={list} />
    </Page>
  );
}

/** The categories that were seen while nothing was filtered, and the one that is chosen. */
function useCategories(list: Paged<Machine>, search: Search): string[] {
  const [seen, setSeen] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    const fresh = (list.items ?? []).map(({ category }) => category).filter(Boolean);
    if (fresh.some((one) => !seen.has(one))) setSeen(new Set([...seen, ...fresh]));
  }, [list.items]);
  return [...new Set([...seen, ...(search.category ? [search.category] : [])])].sort();
}

function Filters({
  categories,
  search,
  change,
}: {
  categories: readonly string[];
  search: Search;
  change: (next: Partial<Search>) => void;
}) {
  return (
    <div class="filters" role="group" aria-label="Category">
      {categories.length > 0 && (
        <button
          type="button"
          class="filter"
          aria-pressed={!search.category}
          onClick={() => change({ category: "" })}
        >
          All
        </button>
      )}
      {categories.map((category) => (
        <button
          key={category}
          type="button"
          class="filter"
          aria-pressed={search.category === category}
          onClick={() => change({ category: search.category === category ? "" : category })}
        >
          {category.replace(/-/g, " ")}
        </button>
      ))}
      {search.tag && (
        <button
          type="button"
          class="filter tagged"
          aria-label={`Remove the tag ${search.tag}`}
          onClick={() => change({ tag: "" })}
        >
          tag: {search.tag}
          <Icon name="cross" />
        </button>
      )}
    </div>
  );
}

/** What people said of the machines that are shown; asked for once for each of them. */
function useSummaries(machines: readonly Machine[] | undefined): ReadonlyMap<string, FeedSummary> {
  const [known, setKnown] = useState<ReadonlyMap<string, FeedSummary>>(new Map());
  useEffect(() => {
    const names = (machines ?? []).map(({ name }) => name).filter((name) => !known.has(name));
    if (names.length === 0) return;
    const stop = new AbortController();
    batchGetSummaries({ machines: names.slice(0, 100) }, { signal: stop.signal })
      .then(({ summaries }) => {
        const next = new Map(known);
        for (const summary of summaries) next.set(summary.machine, summary);
        setKnown(next);
      })
      .catch(() => {
        // The catalogue is whole without it.
      });
    return () => stop.abort();
  }, [machines]);
  return known;
}

function NothingFound({ search }: { search: Search }) {
  if (search.query || search.category || search.tag) {
    return (
      <Empty icon="search" title={search.query ? `Nothing fits “${search.query}”` : "Nothing fits"}>
        <a class="button" href="/">
          Show all
        </a>
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

function Card({ machine, summary }: { machine: Machine; summary: FeedSummary | undefined }) {
  const why = whyNot(machine);
  return (
    <li class={why ? "card off" : "card"}>
      <div class="card-head">
        <MachineIcon machine={machine} />
        <div>
          <h2>
            <a href={`/machines/${idOf(machine.name)}`}>{machine.title}</a>
          </h2>
          <span class="mono faint small">{idOf(machine.name)}</span>
        </div>
      </div>
      <p class="card-text">{firstWords(machine.description)}</p>
      {why && <p class="card-why">{why}</p>}
      <Said machine={machine} summary={summary} />
      <div class="card-foot">
        <PortTags machine={machine} />
        {machine.resourceClass && <span class="tag">{machine.resourceClass}</span>}
        <span class="card-price">{price(machine.pricePerHour)}</span>
      </div>
    </li>
  );
}

/** What people think of it, in one line; none where nobody has said anything. */
function Said({ machine, summary }: { machine: Machine; summary: FeedSummary | undefined }) {
  const reviews = summary?.reviews ?? machine.reviews;
  const rating = summary?.averageRating || machine.averageRating;
  const likes = summary?.likes ?? 0;
  const { rents } = machine;
  if (!reviews && !likes && !rents) return null;
  return (
    <p class="card-said small muted">
      {reviews > 0 && (
        <span class="row tight">
          <Stars rating={rating} />
          <span>
            {ratingText(rating)} <span class="faint">({reviews})</span>
          </span>
        </span>
      )}
      {likes > 0 && (
        <span
          class="row tight"
          title={likes === 1 ? "1 person likes it" : `${likes} people like it`}
        >
          <Icon name="like" />
          {likes}
          <span class="out-of-sight"> likes</span>
        </span>
      )}
      {rents > 0 && <span>{rents === 1 ? "rented once" : `rented ${rents} times`}</span>}
    </p>
  );
}
