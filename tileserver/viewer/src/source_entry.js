// A source in the list: what it is, why it cannot be shown, and where else it leads.

import { linked } from "./attribution.js";
import { made } from "./elements.js";
import { metres, times } from "./ground.js";
import { address } from "./server.js";

export function entry(source, onclick) {
  const button = made("button", { type: "button", className: "pick", onclick },
    picture(source),
    made("span", { className: "title" }, source.title ?? source.id),
  );
  button.dataset.source = source.id;
  button.disabled = source.tilejson === null; // away, or outside web mercator
  const why = source.unavailable
    ? [made("p", { className: "why" }, `Cannot be shown: ${source.unavailable}`)] : [];
  const facts = made("dl", {}, ...factsOf(source).flatMap(([name, value]) => [
    made("dt", {}, name),
    made("dd", {}, ...[value].flat()),
  ]));
  const path = encodeURIComponent(source.id);
  const links = made("p", { className: "links" },
    link("Map page", `${path}/WebMercatorQuad/map.html`),
    link("TileJSON", source.tilejson ?? `${path}/tilejson.json`),
    link("WMTS", `${path}/WMTSCapabilities.xml`),
  );
  return made("li", {}, button, ...why, facts, ...(button.disabled ? [] : [links]));
}

function picture({ thumbnail }) {
  if (!thumbnail) return made("span", { className: "no picture" });
  return made("img", {
    className: "picture", src: address(thumbnail), alt: "", loading: "lazy", width: 96, height: 72,
  });
}

const link = (name, path) => made("a", { href: address(path) }, name);

function factsOf(source) {
  const facts = [
    ["Resolution", source.native_zoom !== null && imagery(source)],
    ["Served to", source.max_zoom !== null && served(source)],
    ["Size", source.width && size(source)],
    ["Date", source.date],
    ["CRS", source.crs],
    ["Extent", source.extent && extent(source.extent)],
    ["Licence", source.licence],
    ["Attribution", source.attribution && linked(source.attribution)],
  ];
  return facts.filter(([, value]) => value);
}

function imagery({ imagery_pixel_metres: pixel, native_zoom: native }) {
  return `${metres(pixel)}, to zoom ${native}`;
}

function served({ max_zoom: most, native_zoom: native, ...sizes }) {
  const pixel = sizes.native_pixel_metres / 2 ** (most - native);
  const ratio = most > native ? `, ${times(sizes.imagery_pixel_metres / pixel)}` : "";
  return `zoom ${most}, ${metres(pixel)}${ratio}`;
}

function size({ width, height, bands }) {
  return `${width} × ${height} pixels, ${bands} ${bands === 1 ? "band" : "bands"}`;
}

function extent([west, south, east, north]) {
  const across = 111_320 * (east - west) * Math.cos((((south + north) / 2) * Math.PI) / 180);
  const along = 110_574 * (north - south);
  const sides = [across, along].map((length) =>
    length < 2000 ? `${Math.round(length)} m` : `${Math.round(length / 1000)} km`);
  const middle = (west + east) / 2 > 180 ? (west + east) / 2 - 360 : (west + east) / 2;
  const corner = (degrees, positive, negative) =>
    `${Math.abs(degrees).toFixed(3)}° ${degrees < 0 ? negative : positive}`;
  const centre = [corner((south + north) / 2, "N", "S"), corner(middle, "E", "W")];
  return `${sides.join(" × ")}, around ${centre.join(" ")}`;
}
