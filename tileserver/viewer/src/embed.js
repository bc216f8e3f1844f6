// What others put into their own maps to show these tiles, to copy.

import { copyButton, opened } from "./dialogs.js";
import { element, made } from "./elements.js";
import { digits } from "./address.js";
import { load } from "./server.js";

export async function embed(source, { zoom, latitude, longitude }) {
  const [lat, lon] = [latitude, longitude].map((degrees) => degrees.toFixed(digits(zoom)));
  const list = element("embed-list");
  list.replaceChildren(made("p", {}, "Loading"));
  opened("embed");
  try {
    const query = new URLSearchParams({ zoom, lon, lat });
    const snippets = await load(`${encodeURIComponent(source)}/embed.json?${query}`);
    list.replaceChildren(...snippets.map(entry));
  } catch (error) {
    list.replaceChildren(made("p", {}, `There are no snippets: ${error.message}.`));
  }
}

function entry({ title, text }, number) {
  const code = made("pre", { tabIndex: 0 }, made("code", {}, text));
  code.setAttribute("role", "region");
  code.setAttribute("aria-label", title);
  const head = made("summary", {}, title);
  return made("details", { open: number === 0 }, head, copyButton(text, title), code);
}
