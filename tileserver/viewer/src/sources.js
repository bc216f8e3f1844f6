// The drawer of sources: what each of them is, and where else it leads.

import { linked } from "./attribution.js";
import { opened } from "./dialogs.js";
import { element, made } from "./elements.js";
import { metres, times } from "./ground.js";
import { address } from "./server.js";

// chosen(id): a source was picked.
export function list(sources, chosen) {
  element("open-sources").addEventListener("click", () => opened("sources"));
  element("api").href = address("api.html");
  element("source-list").replaceChildren(
    ...sources.map((source) => entry(source, () => {
      element("sources").close();
      chosen(source.id);
    })),
  );
}

// Marks the source that is shown.
export function mark(source) {
  element("source-title").textContent = source.title ?? source.id;
  for (const button of element("source-list").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", button.dataset.source === source.id);
  }
}

function entry(source, onclick) {
  const button = made("button", { type: "button", className: "pick", onclick },
    picture(source),
    made("span", { className: "title" }, source.title ?? source.id),
  );
  button.dataset.source = source.id;
  button.disabled = source.tilejson === null; // away, or outside web mercator
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
  return made("li", {}, button, facts, links);
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
    ["Extent", source.bounds && extent(source.bounds)],
    ["Imagery", source.native_zoom !== null && imagery(source)],
    ["Served to", source.max_zoom !== null && served(source)],
    ["Licence", source.licence],
    ["Attribution", source.attribution && linked(source.attribution)],
  ];
  return facts.filter(([, value]) => value);
}

function imagery({ imagery_pixel_metres: size, native_zoom: native }) {
  return `${metres(size)}, to zoom ${native}`;
}

function served({ max_zoom: most, native_zoom: native, ...sizes }) {
  const pixel = sizes.native_pixel_metres / 2 ** (most - native);
  const ratio = most > native ? `, ${times(sizes.imagery_pixel_metres / pixel)}` : "";
  return `zoom ${most}, ${metres(pixel)}${ratio}`;
}

function extent([west, south, east, north]) {
  const across = 111_320 * (east - west) * Math.cos((((south + north) / 2) * Math.PI) / 180);
  const along = 110_574 * (north - south);
  const size = [across, along].map((metres) =>
    metres < 2000 ? `${Math.round(metres)} m` : `${Math.round(metres / 1000)} km`);
  const corner = (degrees, positive, negative) =>
    `${Math.abs(degrees).toFixed(3)}° ${degrees < 0 ? negative : positive}`;
  const middle = [corner((south + north) / 2, "N", "S"), corner((west + east) / 2, "E", "W")];
  return `${size.join(" × ")}, around ${middle.join(" ")}`;
}
