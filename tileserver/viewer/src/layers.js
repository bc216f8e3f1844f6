// The layers of the map, from below: interpolated, super-resolved, uncertainty, the other side.

import TileLayer from "ol/layer/Tile.js";
import { transformExtent } from "ol/proj.js";
import ImageTile from "ol/source/ImageTile.js";
import { createXYZ } from "ol/tilegrid.js";
import { isMade } from "./documents.js";
import { calm } from "./elements.js";

const FADE_MS = 250;
const PROJECTION = "EPSG:3857";

export const extentOf = ({ bounds }) => transformExtent(bounds, "EPSG:4326", PROJECTION);

export class Layers {
  constructor(map, tiles) {
    this.tiles = tiles;
    this.below = new TileLayer();
    this.top = new TileLayer();
    this.uncertainty = new TileLayer({ visible: false });
    this.other = new TileLayer({ visible: false });
    for (const layer of [this.below, this.top, this.uncertainty, this.other]) map.addLayer(layer);
  }

  // A document's tiles on a layer; null: none. below: whose tiles to take up to native, where both
  // are the same. fade: the server draws them, and they fade in.
  set(layer, document, { below = null, fade = false } = {}) {
    if (!document) {
      layer.setSource(null);
      return;
    }
    const native = document.overzoom?.native_maxzoom ?? 0;
    const source = new ImageTile({
      loader: () => null, // set below: it names the source
      tileGrid: createXYZ({ maxZoom: document.maxzoom, minZoom: document.minzoom, tileSize: 256 }),
      transition: fade && !calm.matches ? FADE_MS : 0,
      wrapX: false,
      interpolate: isMade(document), // classes have nothing between them
    });
    const url = (z, x, y) => {
      const [template] = (z <= native && below ? below : document).tiles;
      return template.replace("{z}", z).replace("{x}", x).replace("{y}", y);
    };
    source.setLoader(this.tiles.loader(source, url, (z) => fade && z > native));
    source.setKey(document.tiles[0]);
    layer.setExtent(extentOf(document));
    if (document.minzoom > native) layer.setMinZoom(native); // there is none of it at native
    layer.setSource(source);
  }
}

// Draws a layer only between two shares of the map's width; between() -> [from, to].
export function clipped(layer, between) {
  layer.on("prerender", ({ context }) => {
    const [from, to] = between();
    const [width, height] = [context.canvas.width, context.canvas.height];
    const line = (share) => Math.round(share * width);
    context.save();
    context.beginPath();
    context.rect(line(from), 0, line(to) - line(from), height);
    context.clip();
  });
  layer.on("postrender", ({ context }) => context.restore());
}
