// One pixel: what the imagery says, what was made of it, and how sure that is.

import Overlay from "ol/Overlay.js";
import { containsCoordinate } from "ol/extent.js";
import { toLonLat } from "ol/proj.js";
import { digits } from "./address.js";
import { element, made } from "./elements.js";
import { metres, times } from "./ground.js";
import { extentOf } from "./layers.js";
import { load, Refused } from "./server.js";
import { onChange, state } from "./state.js";

const NOTHING = "There is no imagery here.";

export class Inspect {
  // shown(): {zoom, native} in zooms of the screen's pixels.
  // started(): before the map's clicks are its own.
  constructor(map, shown, started) {
    Object.assign(this, { map, shown, started, on: false, asked: 0 });
    this.mark = new Overlay({
      element: made("div", { className: "mark" }), positioning: "center-center", stopEvent: false,
    });
    map.addOverlay(this.mark);
    onChange((changed) => {
      const place = this.mark.getPosition();
      const other = ["documents", "sample"].some((name) => changed.has(name));
      if (this.on && place && other) this.look(place);
    });
    map.on("singleclick", ({ coordinate }) => this.on && this.look(coordinate));
    element("open-inspect").addEventListener("click", () => this.toggle());
    element("inspect").querySelector(".close").addEventListener("click", () => {
      this.toggle(false);
      element("open-inspect").focus();
    });
  }

  toggle(on = !this.on) {
    this.on = on;
    this.asked += 1; // an answer to come is not wanted any more
    if (on) this.started();
    element("open-inspect").setAttribute("aria-pressed", on);
    element("map").classList.toggle("inspecting", on);
    element("inspect").hidden = !on;
    if (on) tell([made("p", {}, "Click the map, or press Enter for the pixel at its centre.")]);
    else this.mark.setPosition(undefined);
  }

  // The pixel at a place of the map; null: at its centre.
  async look(coordinate) {
    if (!state.documents) return;
    if (!this.on) this.toggle(true);
    const asked = (this.asked += 1);
    const place = coordinate ?? this.map.getView().getCenter();
    this.mark.setPosition(place);
    const { zoom, native } = this.shown();
    if (!containsCoordinate(extentOf(state.documents.made), place)) {
      tell([made("p", {}, NOTHING)]);
      return;
    }
    const places = digits(zoom) + 1;
    const [lon, lat] = toLonLat(place).map((degrees) => degrees.toFixed(places));
    tell([made("p", {}, "Reading the pixel")]);
    const path = `${encodeURIComponent(state.source)}/inspect/${lon},${lat}`;
    const query = new URLSearchParams({ zoom: Math.max(zoom, native) });
    if (state.sample !== null) query.set("noise_seed", state.sample);
    const content = await load(`${path}?${query}`).then(table, refusal);
    if (asked === this.asked) tell(content);
  }
}

function tell(content) {
  element("inspected").replaceChildren(...content);
}

function refusal(error) {
  const outside = error instanceof Refused && error.status === 404;
  return [made("p", {}, outside ? NOTHING : `No answer: ${error.message}.`)];
}

function table(pixel) {
  const classes = pixel.super_resolved === null; // their numbers have no mean
  const rows = [
    ["File's pixel", pixel.imagery?.values, "real"],
    [`Mean, ${metres(pixel.native_pixel_metres)}`, !classes && pixel.native, "real"],
    ["Super-resolved", pixel.synthesised && pixel.super_resolved, "made"],
    ["Plain enlargement", pixel.synthesised && pixel.interpolated, ""],
    ["± uncertainty", pixel.synthesised && pixel.uncertainty, ""],
  ].filter(([, values]) => values);
  const bands = pixel.bands.map((band) => made("th", { scope: "col" }, band));
  const body = rows.map(([name, values, className]) => made("tr", { className },
    made("th", { scope: "row" }, name),
    ...values.map((value) => made("td", {}, number(value))),
  ));
  const [lon, lat] = pixel.coordinates;
  const places = digits(pixel.zoom);
  const what = pixel.synthesised
    ? `Zoom ${pixel.zoom}: synthesised detail ${times(pixel.scale)}`
    : `Zoom ${pixel.zoom}: original imagery`;
  const sizes = `Imagery ${metres(pixel.imagery_pixel_metres)}`
    + `, these pixels ${metres(pixel.pixel_metres)}`;
  return [
    made("p", { className: "place" }, `${lat.toFixed(places)}, ${lon.toFixed(places)}`),
    made("table", {}, made("tr", {}, made("td"), ...bands), ...body),
    made("p", { className: "note" }, what),
    made("p", { className: "note" }, sizes),
  ];
}

// Three digits are more than a pixel knows.
function number(value) {
  if (value === null) return "–";
  return Math.abs(value) >= 1000 ? `${Math.round(value)}` : `${Number(value.toPrecision(3))}`;
}
