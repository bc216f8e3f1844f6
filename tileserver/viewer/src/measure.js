// Measuring: a path over the map, point by point, its length and the area that it encloses.

import DoubleClickZoom from "ol/interaction/DoubleClickZoom.js";
import { toLonLat } from "ol/proj.js";
import { card } from "./dialogs.js";
import { element, write } from "./elements.js";
import { area, length } from "./geodesy.js";

const SQUARE_KILOMETRE = 1e6;
const HECTARE = 1e4;

export class Measure {
  // started(): before the map's clicks become points.
  constructor(map, started) {
    Object.assign(this, { map, points: [] });
    const doubled = map.getInteractions().getArray()
      .find((interaction) => interaction instanceof DoubleClickZoom);
    this.toggle = card("open-measure", "measure", (shown) => {
      element("map").classList.toggle("measuring", shown);
      doubled.setActive(!shown); // two quick clicks are two points
      if (shown) started();
      else this.#set([]);
    });
    map.on("click", ({ coordinate }) => this.on && this.add(coordinate));
    map.on("postrender", () => this.#draw());
    element("measure-undo").addEventListener("click", () => this.undo());
    element("measure-clear").addEventListener("click", () => this.#set([]));
    this.#set([]);
  }

  get on() {
    return !element("measure").hidden;
  }

  // The next point, in the map's coordinates; null: at its centre.
  add(coordinate) {
    if (!this.map.getView().isDef()) return; // nothing is open yet
    this.#set([...this.points, coordinate ?? this.map.getView().getCenter()]);
  }

  // Takes the last point away.
  undo() {
    this.#set(this.points.slice(0, -1));
  }

  #set(points) {
    this.points = points;
    const places = points.map((point) => toLonLat(point));
    write("measured-length", points.length > 1 ? metres(length(places)) : "–");
    write("measured-area", points.length > 2 ? squareMetres(area(places)) : "–");
    for (const id of ["measure-undo", "measure-clear"]) element(id).disabled = points.length === 0;
    this.#draw();
  }

  #draw() {
    element("measuring").toggleAttribute("hidden", this.points.length === 0);
    const pixels = this.points.map((point) => this.map.getPixelFromCoordinate(point));
    if (!pixels.every(Boolean)) return; // there is no frame yet
    const at = ([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`;
    element("measured-ring").setAttribute("points", pixels.map(at).join(" "));
    element("measured-path").setAttribute("points", pixels.map(at).join(" "));
    element("measured-points").setAttribute("d", pixels.map((one) => `M${at(one)}h0`).join(""));
  }
}

// Four digits, whole from a thousand on.
const digits = (value) => (value >= 1000 ? Math.round(value) : Number(value.toPrecision(4)));

function metres(value) {
  return value < 10_000 ? `${digits(value)} m` : `${digits(value / 1000)} km`;
}

function squareMetres(value) {
  if (value < HECTARE) return `${digits(value)} m²`;
  return value < SQUARE_KILOMETRE
    ? `${digits(value)} m² (${digits(value / HECTARE)} ha)` : `${digits(value / SQUARE_KILOMETRE)} km²`;
}
