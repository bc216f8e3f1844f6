// This view as a file: a PNG of what is seen, or a GeoTIFF of the super-resolved tiles.

import { getIntersection, isEmpty } from "ol/extent.js";
import { createXYZ } from "ol/tilegrid.js";
import { FINER } from "./documents.js";
import { element, made } from "./elements.js";
import { geotiff } from "./geotiff.js";
import { extentOf } from "./layers.js";
import { say } from "./messages.js";
import { snapshot } from "./snapshot.js";
import { state } from "./state.js";

const TILE_PX = 256 * 2 ** FINER;
const TRIES = 5;
const WAIT_SECONDS = 2;

export class Download {
  // shown(): {zoom, place, title, credit, divider} of the view.
  constructor(map, shown) {
    Object.assign(this, { map, shown });
    for (const [id, draw] of [["png", () => this.#png()], ["tif", () => this.#geotiff()]]) {
      element(`save-${id}`).addEventListener("click", () => this.#save(id, draw));
    }
  }

  async #save(extension, draw) {
    const button = element(`save-${extension}`);
    button.disabled = true;
    const { zoom, place: [latitude, longitude] } = this.shown();
    try {
      const url = URL.createObjectURL(await draw());
      const name = `${[state.source, zoom, latitude, longitude].join("_")}.${extension}`;
      made("a", { href: url, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser has read it by then
    } catch (error) {
      say(`The view cannot be saved: ${error.message}`);
    }
    button.disabled = false;
  }

  #png() {
    const { title, zoom, place, divider } = this.shown();
    const texts = [divider === null ? element("origin").textContent : element("caption").textContent,
      element("attribution").textContent];
    const first = [title, texts[0]].join(" · ");
    const second = [`${place.join(", ")}, zoom ${zoom}`, texts[1]].filter(Boolean).join(" · ");
    return snapshot(this.map, { divider, lines: [first, second] });
  }

  async #geotiff() {
    const { title, zoom, credit } = this.shown();
    const { drawn } = state;
    const grid = createXYZ({ maxZoom: zoom, tileSize: 256 });
    const seen = getIntersection(this.map.getView().calculateExtent(), extentOf(drawn));
    if (isEmpty(seen)) throw new Error("the source has no imagery here");
    const resolution = grid.getResolution(zoom) / 2 ** FINER;
    const [west, north] = grid.getOrigin(zoom);
    const window = {
      left: Math.floor((seen[0] - west) / resolution), right: Math.ceil((seen[2] - west) / resolution),
      top: Math.floor((north - seen[3]) / resolution), bottom: Math.ceil((north - seen[1]) / resolution),
    };
    const pixels = await mosaic(drawn.tiles[0], zoom, window);
    const native = drawn.overzoom.native_maxzoom;
    const made = zoom > native ? `synthesised detail: the imagery ends at zoom ${native}` : "";
    return geotiff(pixels, {
      west: west + window.left * resolution,
      north: north - window.top * resolution,
      resolution,
      description: [title, `zoom ${zoom}`, made, credit]
        .filter(Boolean).join("; "),
    });
  }
}

// The pixels of a window of a zoom, of its tiles.
async function mosaic(template, zoom, { left, right, top, bottom }) {
  const canvas = new OffscreenCanvas(right - left, bottom - top);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const waiting = [];
  for (let y = Math.floor(top / TILE_PX); y * TILE_PX < bottom; y += 1) {
    for (let x = Math.floor(left / TILE_PX); x * TILE_PX < right; x += 1) {
      const url = template.replace("{z}", zoom).replace("{x}", x).replace("{y}", y);
      waiting.push(tile(url).then((picture) => {
        if (picture) context.drawImage(picture, x * TILE_PX - left, y * TILE_PX - top);
      }));
    }
  }
  await Promise.all(waiting);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

// A tile's picture; null where there is none. A busy server is asked again.
async function tile(url, tries = TRIES) {
  const answer = await fetch(url);
  if (answer.status === 404) return null;
  if (answer.ok && !answer.headers.has("X-Overzoom-Fallback")) {
    return createImageBitmap(await answer.blob());
  }
  if (tries === 1 || (answer.status < 500 && answer.status !== 429 && !answer.ok)) {
    throw new Error(`the server answers ${answer.status}`);
  }
  await new Promise((resolve) => setTimeout(resolve, 1000 * WAIT_SECONDS));
  return tile(url, tries - 1);
}
