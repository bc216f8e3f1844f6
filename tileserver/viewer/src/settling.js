// Whether all that is looked at is drawn: assistive technology waits for it.

import { element } from "./elements.js";

const SECONDS = 0.2;

export class Settling {
  constructor(map, tiles) {
    Object.assign(this, { map, tiles, pending: 0, timer: 0 });
    map.on("postrender", ({ frameState }) => this.#tell(frameState));
  }

  // Busy until a promise is settled, whose outcome it gives.
  async during(promise) {
    this.pending += 1;
    element("map").setAttribute("aria-busy", true);
    try {
      return await promise;
    } finally {
      this.pending -= 1;
      this.map.render();
    }
  }

  // Looked at again after a while, since a tile may also leave the queue without another frame.
  #tell(frameState) {
    const settled = this.pending === 0 && frameState && !frameState.animate
      && !frameState.viewHints.some(Boolean)
      && this.tiles.missing.length === 0 && frameState.tileQueue.getCount() === 0;
    element("map").setAttribute("aria-busy", !settled);
    clearTimeout(this.timer);
    if (!settled) this.timer = setTimeout(() => this.map.render(), 1000 * SECONDS);
  }
}
