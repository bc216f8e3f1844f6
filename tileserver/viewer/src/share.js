// A link to this very view.

import { copy, opened } from "./dialogs.js";
import { element } from "./elements.js";
import { key } from "./server.js";

export function share() {
  tell();
  opened("share");
  element("share-link").select();
}

export function listen() {
  element("share-key-line").hidden = !key;
  element("share-key").addEventListener("change", tell);
  element("share-copy").addEventListener("click", () => copy(link(), "Link"));
}

function tell() {
  element("share-link").value = link();
}

// The key is left out unless it is asked for.
function link() {
  const url = new URL(location.href);
  if (!element("share-key").checked) url.searchParams.delete("key");
  return url.href;
}
