// Dialogs and cards: what opens them, and what closes them.

import { element, made } from "./elements.js";
import { say } from "./messages.js";

export function opened(id) {
  const dialog = element(id);
  if (!dialog.open) dialog.showModal();
  return dialog;
}

// Every dialog closes by its button, by Escape and by a click beside it.
export function listen() {
  for (const dialog of document.querySelectorAll("dialog")) {
    let pressed = false; // beside it: a text that is selected may end there, too
    dialog.addEventListener("pointerdown", (event) => { pressed = isBeside(dialog, event); });
    dialog.addEventListener("click", (event) => {
      const beside = pressed && isBeside(dialog, event);
      if (beside || event.target.closest(".close")) dialog.close();
    });
  }
}

function isBeside(dialog, { target, clientX, clientY }) {
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  const inside = clientX >= left && clientX <= right && clientY >= top && clientY <= bottom;
  return target === dialog && !inside;
}

const cards = []; // what toggles each

// Closes every card; each is no dialog, and has no Escape of its own.
export function closeCards() {
  for (const toggle of cards) toggle(false);
}

// A card (no dialog: the map goes on) that a tool's button shows and hides. changed(shown): after
// it was.
export function card(button, id, changed = () => {}) {
  const toggle = (shown = element(id).hidden) => {
    if (shown !== element(id).hidden) return;
    element(id).hidden = !shown;
    element(button).setAttribute("aria-expanded", shown);
    changed(shown);
  };
  cards.push(toggle);
  element(button).addEventListener("click", () => toggle());
  element(id).querySelector(".close").addEventListener("click", () => {
    toggle(false);
    element(button).focus();
  });
  return toggle;
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied`);
  } catch {
    say("Copying is not allowed here: select the text instead");
  }
}

export function copyButton(text, what) {
  return made("button", { type: "button", onclick: () => copy(text, what) }, "Copy");
}
