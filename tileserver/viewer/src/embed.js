// What others put into their own maps to show these tiles, to copy: addresses first.

import { copyButton, opened } from "./dialogs.js";
import { hasMean, numberOf, seedsOf } from "./documents.js";
import { element, made } from "./elements.js";
import { digits } from "./address.js";
import { parametersOf } from "./rendering.js";
import { key, load, loadKeyless } from "./server.js";
import { state } from "./state.js";

const ADDRESSES = ["xyz", "tilejson", "wmts"]; // to copy as they are; all others are code

let place = {}; // zoom, lon, lat of the view that the dialog was opened at
let latest = ""; // what was asked for last

export function listen() {
  element("embed-key-line").hidden = !key;
  for (const id of ["embed-key", "embed-what"]) element(id).addEventListener("change", tell);
}

export function embed({ zoom, latitude, longitude }) {
  const [lat, lon] = [latitude, longitude].map((degrees) => degrees.toFixed(digits(zoom)));
  place = { zoom, lon, lat };
  const pictures = picturesOf(state.documents, state.sample);
  element("embed-what-line").hidden = pictures.length < 2;
  element("embed-what").replaceChildren(...pictures.map(([query, name]) =>
    made("option", { value: query }, name)));
  tell();
  opened("embed");
}

// What can be embedded: [query, name], the one that is shown first.
function picturesOf({ made: document, interpolated }, sample) {
  const seeds = seedsOf(document);
  const several = seeds.length > 1;
  const number = several ? `, sample ${numberOf(document, sample ?? seeds[0])}` : "";
  const chosen = sample === null ? "" : `noise_seed=${sample}`;
  return [
    [chosen, `Super-resolved${number}`],
    ...(hasMean(document) ? [["detail=0", "Best estimate, no texture"]] : []),
    ...(interpolated ? [["mode=interpolated", "Plain enlargement"]] : []),
  ];
}

// The key is left out unless it is asked for.
async function tell() {
  const [list, keyed] = [element("embed-list"), element("embed-key").checked];
  const query = new URLSearchParams(place);
  const shown = [...new URLSearchParams(element("embed-what").value), ...parametersOf(state)];
  for (const [name, value] of shown) query.append(name, value);
  const wanted = `${encodeURIComponent(state.source)}/embed.json?${query}`;
  latest = `${wanted} ${keyed}`;
  list.replaceChildren(made("p", {}, "Loading"));
  try {
    const snippets = await (keyed ? load : loadKeyless)(wanted);
    if (latest === `${wanted} ${keyed}`) list.replaceChildren(...snippets.map(entry));
  } catch (error) {
    if (latest !== `${wanted} ${keyed}`) return;
    list.replaceChildren(made("p", {}, `There are no snippets: ${error.message}.`));
  }
}

function entry({ id, title, text }) {
  return ADDRESSES.includes(id) ? row(title, text) : code(title, text);
}

function row(title, text) {
  const field = made("input", { readOnly: true, value: text, onfocus: () => field.select() });
  return made("p", { className: "copying" },
    made("label", {}, made("span", {}, title), field), copyButton(text, title));
}

function code(title, text) {
  const block = made("pre", { tabIndex: 0 }, made("code", {}, text));
  block.setAttribute("role", "region");
  block.setAttribute("aria-label", title);
  return made("details", {}, made("summary", {}, title), copyButton(text, title), block);
}
