// Where the map looks: whole zooms, within reach of the source.

import View from "ol/View.js";
import { containsCoordinate, getCenter } from "ol/extent.js";
import { fromLonLat, toLonLat } from "ol/proj.js";
import { isMade } from "./documents.js";
import { calm } from "./elements.js";
import { extentOf } from "./layers.js";

const FARTHER = 4; // zooms before the first of the TileJSON: the scene as a dot in its country
const MOVE_MS = 250;
const TURN = 2 * fromLonLat([180, 0])[0]; // once around the Earth
export const PAST_NATIVE = 2; // zooms: there the difference is plain to see

// Where a document's source lies, past 180 degrees if it crosses them: there its bounds go around.
const groundOf = ({ bounds, overzoom }) => extentOf({ bounds: overzoom.extent ?? bounds });

function contains(ground, [x, y]) {
  return [0, TURN].some((turn) => containsCoordinate(ground, [x + turn, y]));
}

function middle(ground) {
  const [x, y] = getCenter(ground);
  return [x > TURN / 2 ? x - TURN : x, y];
}

export class Views {
  constructor(map) {
    this.map = map;
    this.target = 0; // of the running animation
  }

  // Goes to a source; view {zoom, latitude, longitude}, or null for its middle, at the deeper of
  // the zoom that shows all of it and two past native.
  open(document, view) {
    const { minzoom, maxzoom, center } = document;
    this.extent = extentOf(document);
    this.ground = groundOf(document);
    this.map.setView(new View({
      center: fromLonLat(view ? [view.longitude, view.latitude] : center.slice(0, 2)),
      zoom: view ? view.zoom : center[2],
      minZoom: Math.max(0, minzoom - FARTHER),
      maxZoom: maxzoom,
      extent: this.extent,
      constrainOnlyCenter: true,
      constrainResolution: true,
      enableRotation: false,
      smoothExtentConstraint: false,
    }));
    if (view) return;
    const past = isMade(document) ? document.overzoom.native_maxzoom + PAST_NATIVE : 0;
    this.view.setZoom(this.view.getConstrainedZoom(Math.max(this.#whole, past)));
  }

  // Goes to a place where the source has ground, and says whether it has; zoom: null: the same.
  go({ zoom, latitude, longitude }) {
    const center = fromLonLat([longitude, latitude]);
    if (!this.view.isDef() || !contains(this.ground, center)) return false;
    this.view.setCenter(center);
    if (zoom !== null) this.view.setZoom(this.view.getConstrainedZoom(zoom));
    return true;
  }

  // All of the source.
  fit() {
    if (this.view.isDef()) this.#animate({ zoom: this.#whole, center: middle(this.ground) });
  }

  // The deepest zoom that shows all of the source.
  get #whole() {
    const size = this.map.getSize() ?? [innerWidth, innerHeight];
    const resolution = this.view.getResolutionForExtent(this.ground, size);
    return this.view.getConstrainedZoom(Math.floor(this.view.getZoomForResolution(resolution)));
  }

  // Whether a document's ground is what the map looks at.
  isOn(document) {
    return this.view.isDef() && contains(groundOf(document), this.view.getCenter());
  }

  get view() {
    return this.map.getView();
  }

  get zoom() {
    return Math.round(this.view.getZoom());
  }

  get place() {
    const [longitude, latitude] = toLonLat(this.view.getCenter());
    return { zoom: this.zoom, latitude, longitude };
  }

  // anchor: the place that stays where it is on the screen; else the centre does.
  to(zoom, anchor) {
    if (!this.view.isDef()) return; // nothing is open yet
    this.#animate({ zoom: this.view.getConstrainedZoom(zoom), anchor });
  }

  // Zooms from where a running animation will end.
  by(zooms, anchor) {
    const from = this.view.getAnimating() ? this.target : this.zoom;
    this.to(from + zooms, anchor);
  }

  // A share of the screen to the right and down.
  pan(right, down) {
    if (!this.view.isDef()) return;
    const [width, height] = this.map.getSize();
    const [x, y] = this.view.getCenter();
    const pixel = this.view.getResolution();
    const center = [x + pixel * Math.round(right * width), y - pixel * Math.round(down * height)];
    const zoom = this.view.getAnimating() ? this.target : this.zoom; // never between two zooms
    this.#animate({ zoom, center: this.view.getConstrainedCenter(center) });
  }

  #animate(to) {
    this.target = to.zoom;
    this.view.cancelAnimations();
    this.view.animate({ ...to, duration: calm.matches ? 0 : MOVE_MS });
  }
}
