// The layers of the map, from below: interpolated, super-resolved, uncertainty, the other side.

import { getIntersection, isEmpty } from "ol/extent.js";
import TileLayer from "ol/layer/Tile.js";
import { transformExtent } from "ol/proj.js";
import ImageTile from "ol/source/ImageTile.js";
import { createXYZ } from "ol/tilegrid.js";
import { getUid } from "ol/util.js";
import { isMade } from "./documents.js";
import { calm } from "./elements.js";
import { Tiles } from "./tiles.js";

const FADE_MS = 250;
const PROJECTION = "EPSG:3857";
const EVERYWHERE = () => [0, 1];

export const extentOf = ({ bounds }) => transformExtent(bounds, "EPSG:4326", PROJECTION);

export class Layers {
  // told(): after a tile has come or was asked for.
  constructor(map, told) {
    this.map = map;
    this.tiles = new Tiles(map, told, (id) => this.#partOf(id));
    this.below = new TileLayer();
    this.top = new TileLayer();
    this.uncertainty = new TileLayer({ visible: false, className: "uncertain" }); // blurred by CSS
    this.other = new TileLayer({ visible: false });
    this.all = [this.below, this.top, this.uncertainty, this.other];
    this.parts = new Map(); // by layer
    for (const layer of this.all) map.addLayer(layer);
  }

  // A document's tiles on a layer; null: none. below: whose tiles to take up to native, where both
  // are the same. fade: the server draws them, and they fade in. paint: see Tiles.
  set(layer, document, { below = null, fade = false, paint } = {}) {
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
    source.setLoader(this.tiles.loader(source, url, (z) => fade && z > native, paint));
    source.setKey(document.tiles[0]);
    layer.setExtent(extentOf(document));
    if (document.minzoom > native) layer.setMinZoom(native); // there is none of it at native
    layer.setSource(source);
  }

  // Shows a layer only between two shares of the map's width; between() -> [from, to].
  clip(layer, between) {
    this.parts.set(layer, between);
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

  // How many tiles of a layer are seen at a zoom, and how many of them are there.
  progress(layer, zoom) {
    const source = layer.getSource();
    const size = this.map.getSize();
    if (!source || !size) return { drawn: 0, total: 0 };
    const [west, south, east, north] = this.map.getView().calculateExtent(size);
    const [from, to] = (this.parts.get(layer) ?? EVERYWHERE)();
    const at = (share) => west + share * (east - west);
    const seen = getIntersection([at(from), south, at(to), north], layer.getExtent());
    return isEmpty(seen) ? { drawn: 0, total: 0 } : this.tiles.progress(source, seen, zoom);
  }

  // The part of the map's width where a source is seen.
  #partOf(id) {
    const layer = this.all.find((one) => one.getSource() && getUid(one.getSource()) === id);
    return (this.parts.get(layer) ?? EVERYWHERE)();
  }
}
