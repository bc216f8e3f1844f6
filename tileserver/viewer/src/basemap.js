// A map of another service under the imagery: asked for only once it is chosen.

import TileLayer from "ol/layer/Tile.js";
import ImageTile from "ol/source/ImageTile.js";
import { element } from "./elements.js";
import { change, onChange, state } from "./state.js";

export class Basemap {
  constructor(map) {
    Object.assign(this, { map, settings: null });
    this.layer = new TileLayer({ visible: false });
    map.getLayers().insertAt(0, this.layer);
    element("basemap").addEventListener("change", ({ target }) => change({ basemap: target.checked }));
    onChange((changed) => changed.has("basemap") && this.#tell());
  }

  // settings: {url, attribution, maxzoom}, or null where the server names none.
  offer(settings) {
    this.settings = settings;
    element("basemap-line").hidden = !settings;
    if (settings) element("basemap-from").textContent = ` (from ${new URL(settings.url).host})`;
    this.#tell();
  }

  get attribution() {
    return this.layer.getVisible() ? this.settings.attribution : null;
  }

  #tell() {
    const on = state.basemap && Boolean(this.settings);
    element("basemap").checked = on;
    if (on && !this.layer.getSource()) {
      const { url, maxzoom } = this.settings;
      this.layer.setSource(new ImageTile({ url, maxZoom: maxzoom, crossOrigin: "anonymous" }));
    }
    this.layer.setVisible(on);
  }
}
