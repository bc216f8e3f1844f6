// Light or dark, and the whole screen.

import { element, memory } from "./elements.js";
import { say } from "./messages.js";

const SCHEMES = ["auto", "light", "dark"];

export function listen() {
  scheme(SCHEMES.includes(memory.get("scheme")) ? memory.get("scheme") : "auto");
  element("change-scheme").addEventListener("click", nextScheme);
  element("full-screen").hidden = !document.fullscreenEnabled;
  element("full-screen").addEventListener("click", fullScreen);
  document.addEventListener("fullscreenchange", () => {
    element("full-screen").setAttribute("aria-pressed", document.fullscreenElement !== null);
  });
}

export function nextScheme() {
  const now = document.documentElement.dataset.scheme;
  scheme(SCHEMES[(SCHEMES.indexOf(now) + 1) % SCHEMES.length]);
  say(`Colours: ${document.documentElement.dataset.scheme}`);
}

export function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => say("Full screen is not allowed"));
}

function scheme(name) {
  document.documentElement.dataset.scheme = name;
  memory.set("scheme", name);
}
