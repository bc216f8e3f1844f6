// Whether all that is looked at is drawn: assistive technology waits for it.

import { element } from "./elements.js";

const SECONDS = 0.2;

// Looked at again after a while, since a tile may also leave the queue without another frame.
export function settle(map, tiles) {
  let timer = 0;
  map.on("postrender", ({ frameState }) => {
    const settled = frameState && !frameState.animate && !frameState.viewHints.some(Boolean)
      && tiles.missing.length === 0 && frameState.tileQueue.getCount() === 0;
    element("map").setAttribute("aria-busy", !settled);
    clearTimeout(timer);
    if (!settled) timer = setTimeout(() => map.render(), 1000 * SECONDS);
  });
}
