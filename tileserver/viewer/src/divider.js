// The line between the two sides, along all of its length, and its handle: drag it, or use keys.

import { element } from "./elements.js";
import { change, state } from "./state.js";

const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
const LEAPS = { PageDown: -10, PageUp: 10, Home: -100, End: 100 };

export function listen() {
  const handle = element("divider");
  for (const part of [handle, element("divider-line")]) drag(part, handle);
  handle.addEventListener("keydown", (event) => {
    const by = STEPS[event.key] ?? LEAPS[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    move(state.at + by);
  });
}

// To a share of the map's width, in percent.
export function move(at) {
  change({ at: Math.min(Math.max(Math.round(at), 0), 100) });
}

export function tell() {
  document.body.style.setProperty("--at", `${state.at}%`);
  element("divider").setAttribute("aria-valuenow", state.at);
}

function drag(part, handle) {
  part.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the line takes no focus from the handle
    part.setPointerCapture(event.pointerId);
    handle.focus();
  });
  part.addEventListener("pointermove", (event) => {
    if (part.hasPointerCapture(event.pointerId)) move((100 * event.clientX) / innerWidth);
  });
}
