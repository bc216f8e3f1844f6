// This view as a file: a PNG of what is seen, or a GeoTIFF of its values, super-resolved.

import { getIntersection, isEmpty } from "ol/extent.js";
import { createXYZ } from "ol/tilegrid.js";
import { FINER } from "./documents.js";
import { element, made } from "./elements.js";
import { extentOf } from "./layers.js";
import { say } from "./messages.js";
import { address } from "./server.js";
import { snapshot } from "./snapshot.js";
import { state } from "./state.js";
import { isBusy } from "./tiles.js";

const GRID = "EPSG:3857";
const OF_DETAIL = ["noise_seed", "detail", "mode"];
const TRIES = 5;
const WAIT_SECONDS = 2;

export class Download {
  // shown(): {zoom, place, title, divider} of the view.
  constructor(map, shown) {
    Object.assign(this, { map, shown, sidePx: Infinity });
    for (const [id, draw] of [["png", () => this.#png()], ["tif", () => this.#geotiff()]]) {
      element(`save-${id}`).addEventListener("click", () => this.#save(id, draw));
    }
  }

  // sidePx: the most that a map of the server has to a side.
  limit(sidePx) {
    this.sidePx = sidePx;
  }

  async #save(extension, draw) {
    const button = element(`save-${extension}`);
    button.disabled = true;
    try {
      const { zoom, place: [latitude, longitude] } = this.shown();
      const url = URL.createObjectURL(await draw());
      const name = `${[state.source, zoom, latitude, longitude].join("_")}.${extension}`;
      made("a", { href: url, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser has read it by then
    } catch (error) {
      say(`The view cannot be saved: ${error.message}`);
    } finally {
      button.disabled = false;
    }
  }

  #png() {
    const { title, zoom, place, divider } = this.shown();
    const texts = [divider === null ? element("origin").textContent : element("caption").textContent,
      element("attribution").textContent];
    const first = [title, texts[0]].join(" · ");
    const second = [`${place.join(", ")}, zoom ${zoom}`, texts[1]].filter(Boolean).join(" · ");
    return snapshot(this.map, { divider, lines: [first, second] });
  }

  // All bands in the imagery's own values, on the pixels of the tiles.
  async #geotiff() {
    const seen = getIntersection(this.map.getView().calculateExtent(), extentOf(state.drawn));
    if (isEmpty(seen)) throw new Error("the source has no imagery here");
    const { zoom } = this.shown();
    const { bounds, size, coarser } = fitted(seen, zoom + FINER, this.sidePx);
    const answer = await ask(mapAddress(bounds, size));
    if (coarser) say(`The view is too large for one map: saved at zoom ${zoom - coarser}`);
    return answer.blob();
  }
}

// The pixels of a zoom that an extent reaches, or of the first coarser one that has no more than
// so many to a side.
function fitted(extent, zoom, mostPx) {
  const grid = createXYZ({ maxZoom: zoom, tileSize: 256 });
  const [left, top] = grid.getOrigin(0);
  for (let coarser = 0; ; coarser += 1) {
    const pixel = grid.getResolution(zoom - coarser);
    const [west, east] = [Math.floor((extent[0] - left) / pixel), Math.ceil((extent[2] - left) / pixel)];
    const [north, south] = [Math.floor((top - extent[3]) / pixel), Math.ceil((top - extent[1]) / pixel)];
    if (Math.max(east - west, south - north) > mostPx && coarser < zoom) continue;
    const bounds = [left + west * pixel, top - south * pixel, left + east * pixel, top - north * pixel];
    return { bounds, size: [east - west, south - north], coarser };
  }
}

// What is drawn there: its sample and its detail, but no bands, stretch or colours.
function mapAddress(bounds, [width, height]) {
  const drawn = new URL(state.drawn.tiles[0], document.baseURI).searchParams;
  const query = new URLSearchParams({
    f: "tif", crs: GRID, "bbox-crs": GRID, bbox: bounds.join(","), width, height,
  });
  for (const name of OF_DETAIL) if (drawn.has(name)) query.set(name, drawn.get(name));
  return address(`${encodeURIComponent(state.source)}/map?${query}`);
}

// An answer in full; a busy server is asked again.
async function ask(url, tries = TRIES) {
  const answer = await fetch(url);
  const busy = isBusy(answer);
  if (answer.ok && !busy) return answer;
  if (tries === 1 || !busy) {
    const { detail } = await answer.json().catch(() => ({}));
    throw new Error(detail ?? (busy ? "the server is busy" : `the server answers ${answer.status}`));
  }
  await new Promise((resolve) => setTimeout(resolve, 1000 * WAIT_SECONDS));
  return ask(url, tries - 1);
}
