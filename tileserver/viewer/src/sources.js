// The drawer of sources: found by words, in an order, and picked.

import { opened } from "./dialogs.js";
import { element } from "./elements.js";
import { footprints } from "./footprints.js";
import { entry } from "./source_entry.js";
import { address } from "./server.js";

const SEARCH_FROM = 5; // fewer are seen at a glance
const LAST = Number.MAX_VALUE; // in any order: what could not be read
const ORDERS = {
  title: (a, b) => titleOf(a).localeCompare(titleOf(b)),
  ground: (a, b) => (a.imagery_pixel_metres ?? LAST) - (b.imagery_pixel_metres ?? LAST),
  size: (a, b) => pixels(b) - pixels(a),
};

let shown = null; // id of the source on the map
let listed = { items: [], pick: () => {} };

const titleOf = ({ title, id }) => title ?? id;
const pixels = ({ width, height }) => (width ?? 0) * (height ?? 0);

// chosen(id): a source was picked.
export function list(sources, chosen) {
  const pick = (id) => {
    element("sources").close();
    chosen(id);
  };
  const items = sources.map((source) => ({
    source,
    words: [source.id, source.title, source.attribution, source.crs].join(" ").toLowerCase(),
    item: entry(source, () => pick(source.id)),
  }));
  listed = { items, pick };
  const show = () => tell();
  element("source-search").addEventListener("input", show);
  element("source-order").addEventListener("change", show);
  element("source-find").hidden = sources.length < SEARCH_FROM;
  element("open-sources").addEventListener("click", () => opened("sources"));
  for (const name of ["pointerover", "focusin"]) element("sources").addEventListener(name, point);
  element("api").href = address("api.html");
  show();
}

// Marks the source that is shown.
export function mark(source) {
  element("source-title").textContent = titleOf(source);
  shown = source.id;
  for (const button of element("source-list").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", button.dataset.source === source.id);
  }
  locate();
}

// Shows those that have every word of the search, in the chosen order.
function tell() {
  const { items } = listed;
  const words = element("source-search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const order = ORDERS[element("source-order").value] ?? (() => 0); // else the server's
  const sorted = [...items].sort((a, b) => order(a.source, b.source));
  for (const { item, words: has } of items) item.hidden = !words.every((word) => has.includes(word));
  element("source-list").replaceChildren(...sorted.map(({ item }) => item));
  element("source-none").hidden = items.some(({ item }) => !item.hidden);
  locate();
}

// Draws where those lie that are listed.
function locate() {
  const found = listed.items.filter(({ item }) => !item.hidden).map(({ source }) => source);
  const picture = found.length > 0 && footprints(found, shown, listed.pick);
  element("source-map").replaceChildren(...(picture ? [picture] : []));
  element("source-map").hidden = !picture || listed.items.length < 2;
}

// A source and its footprint are marked together.
function point({ target }) {
  const id = target.dataset.footprint
    ?? target.closest("li")?.querySelector("[data-source]")?.dataset.source;
  for (const box of element("source-map").querySelectorAll("rect")) {
    box.classList.toggle("pointed", box.dataset.footprint === id);
  }
  for (const { source, item } of listed.items) item.classList.toggle("pointed", source.id === id);
}
