// The foot of the map: a scale bar, and where the pointer is.

import { toLonLat } from "ol/proj.js";
import { digits } from "./address.js";
import { element } from "./elements.js";

const LONGEST_PX = 100;
const EQUATOR_METRES = 40_075_016.686;

// The scale bar and the centre, or the place under the pointer.
export class Readings {
  constructor(map) {
    this.map = map;
    map.on("pointermove", ({ coordinate, dragging }) => {
      if (!dragging) this.#place(coordinate);
    });
    map.getViewport().addEventListener("pointerleave", () => this.#place(null));
  }

  tell() {
    const view = this.map.getView();
    const [, latitude] = toLonLat(view.getCenter());
    const pixel = view.getResolution() * Math.cos((latitude * Math.PI) / 180);
    const metres = rounded(Math.min(LONGEST_PX * pixel, EQUATOR_METRES / 2));
    element("scale").textContent = named(metres);
    element("scale").style.width = `${metres / pixel}px`;
    this.#place(null);
  }

  #place(coordinate) {
    const view = this.map.getView();
    if (!view.isDef()) return; // nothing is open yet
    const [longitude, latitude] = toLonLat(coordinate ?? view.getCenter());
    const places = Math.max(digits(view.getZoom()) - 1, 2);
    element("place").textContent = `${latitude.toFixed(places)}, ${longitude.toFixed(places)}`;
  }
}

// The largest of 1, 2, 5, 10, ... that is not over a length.
function rounded(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return power * [5, 2, 1].find((digit) => digit * power <= most);
}

function named(metres) {
  if (metres >= 1000) return `${metres / 1000} km`;
  return metres >= 1 ? `${metres} m` : `${Math.round(100 * metres)} cm`;
}
