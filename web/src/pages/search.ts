// What is looked for in the catalogue, as the address and as the request have it.

export interface Search {
  query: string;
  category: string;
  tag: string;
  order: string;
}

/** How the catalogue may be ordered; the first is taken where none is asked for. */
export const ORDERS: readonly (readonly [key: string, orderBy: string, label: string])[] = [
  ["title", "title", "By title"],
  ["new", "create_time desc", "Newest first"],
  ["rating", "rating desc", "Best rated"],
  ["rents", "rents desc", "Most rented"],
  ["cheap", "price", "Cheapest first"],
  ["dear", "price desc", "Dearest first"],
];

/** The search that an address asks for; what it does not know is left out. */
export function searchOf(query: URLSearchParams): Search {
  const order = query.get("order") ?? "";
  return {
    query: (query.get("q") ?? "").slice(0, 200),
    category: fitting(query.get("category"), /^[a-z][a-z0-9-]{0,30}$/),
    tag: fitting(query.get("tag"), /^[a-z0-9][a-z0-9+.#-]{0,30}$/),
    order: ORDERS.some(([key]) => key === order) ? order : "",
  };
}

const fitting = (value: string | null, pattern: RegExp): string =>
  value && pattern.test(value) ? value : "";

/** The address of a search: `/?q=sql&order=new`. */
export function addressOf({ query, category, tag, order }: Search): string {
  const said = new URLSearchParams();
  if (query) said.set("q", query);
  if (category) said.set("category", category);
  if (tag) said.set("tag", tag);
  if (order) said.set("order", order);
  const text = said.toString();
  return text ? `/?${text}` : "/";
}

/** The fields of the request. With words and without an order, what fits best comes first. */
export function requestOf({ query, category, tag, order }: Search) {
  const conditions = ["state = ACTIVE"];
  if (category) conditions.push(`category = "${category}"`);
  if (tag) conditions.push(`tags : "${tag}"`);
  const orderBy = ORDERS.find(([key]) => key === order)?.[1] ?? (query ? "" : "title");
  return { filter: conditions.join(" AND "), query: query.trim(), orderBy };
}
