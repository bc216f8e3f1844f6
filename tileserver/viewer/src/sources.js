// The drawer of sources: found by words, in an order, and picked.

import { opened } from "./dialogs.js";
import { element } from "./elements.js";
import { entry } from "./source_entry.js";
import { address } from "./server.js";

const SEARCH_FROM = 5; // fewer are seen at a glance
const LAST = Number.MAX_VALUE; // in any order: what could not be read
const ORDERS = {
  title: (a, b) => titleOf(a).localeCompare(titleOf(b)),
  ground: (a, b) => (a.imagery_pixel_metres ?? LAST) - (b.imagery_pixel_metres ?? LAST),
  size: (a, b) => pixels(b) - pixels(a),
};

const titleOf = ({ title, id }) => title ?? id;
const pixels = ({ width, height }) => (width ?? 0) * (height ?? 0);

// chosen(id): a source was picked.
export function list(sources, chosen) {
  const items = sources.map((source) => ({
    source,
    words: [source.id, source.title, source.attribution, source.crs].join(" ").toLowerCase(),
    item: entry(source, () => {
      element("sources").close();
      chosen(source.id);
    }),
  }));
  const show = () => tell(items);
  element("source-search").addEventListener("input", show);
  element("source-order").addEventListener("change", show);
  element("source-find").hidden = sources.length < SEARCH_FROM;
  element("open-sources").addEventListener("click", () => opened("sources"));
  element("api").href = address("api.html");
  show();
}

// Marks the source that is shown.
export function mark(source) {
  element("source-title").textContent = titleOf(source);
  for (const button of element("source-list").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", button.dataset.source === source.id);
  }
}

// Shows those that have every word of the search, in the chosen order.
function tell(items) {
  const words = element("source-search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const order = ORDERS[element("source-order").value] ?? (() => 0); // else the server's
  const sorted = [...items].sort((a, b) => order(a.source, b.source));
  for (const { item, words: has } of items) item.hidden = !words.every((word) => has.includes(word));
  element("source-list").replaceChildren(...sorted.map(({ item }) => item));
  element("source-none").hidden = items.some(({ item }) => !item.hidden);
}
