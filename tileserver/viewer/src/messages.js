// Messages over the map: what went wrong and what can be done, or a short word that goes by itself.

import { element, made } from "./elements.js";

const SECONDS = 4;
let timer = 0;

// A message that stays until it is hidden; action: {name, act}.
export function show(id, text, action) {
  if (element(`message-${id}`)?.firstChild.textContent === text) return; // said once is enough
  hide(id);
  const parts = [made("span", {}, text)];
  if (action) parts.push(made("button", { type: "button", onclick: action.act }, action.name));
  element("messages").append(made("p", { className: "panel", id: `message-${id}` }, ...parts));
}

export function hide(id) {
  element(`message-${id}`)?.remove();
}

export function say(text) {
  clearTimeout(timer);
  const toast = element("toast");
  toast.textContent = text;
  if (toast.matches(":popover-open")) toast.hidePopover();
  toast.showPopover(); // over an open dialog, too
  timer = setTimeout(() => toast.hidePopover(), 1000 * SECONDS);
}
