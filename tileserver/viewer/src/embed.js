// What others put into their own maps to show these tiles, to copy.

import { copyButton, opened } from "./dialogs.js";
import { element, made } from "./elements.js";
import { digits } from "./address.js";
import { key, load, loadKeyless } from "./server.js";

let path = ""; // of the snippets for the view that the dialog was opened at

export function listen() {
  element("embed-key-line").hidden = !key;
  element("embed-key").addEventListener("change", tell);
}

export function embed(source, { zoom, latitude, longitude }) {
  const [lat, lon] = [latitude, longitude].map((degrees) => degrees.toFixed(digits(zoom)));
  path = `${encodeURIComponent(source)}/embed.json?${new URLSearchParams({ zoom, lon, lat })}`;
  tell();
  opened("embed");
}

// The key is left out unless it is asked for.
async function tell() {
  const list = element("embed-list");
  const [wanted, keyed] = [path, element("embed-key").checked];
  list.replaceChildren(made("p", {}, "Loading"));
  try {
    const snippets = await (keyed ? load : loadKeyless)(wanted);
    if (wanted !== path || keyed !== element("embed-key").checked) return; // overtaken
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
