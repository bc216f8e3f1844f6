// The map at /{source}/{grid}/map.html: one source on one grid, in the grid's own pixels.

const element = (id) => document.getElementById(id);

// Matrices double around one corner, so a place is a pixel of zoom 0: no projection is needed.
const PIXELS = L.extend({}, L.CRS.Simple, { transformation: new L.Transformation(1, 0, 1, 0) });
const TILE_PX = 256;

async function load(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

// The part of the grid that shows ground at a zoom, as bounds of the map.
function extent({ tileMatrix, minTileRow, maxTileRow, minTileCol, maxTileCol }) {
  const tile = TILE_PX / 2 ** Number(tileMatrix);
  return L.latLngBounds(
    [minTileRow * tile, minTileCol * tile],
    [(maxTileRow + 1) * tile, (maxTileCol + 1) * tile],
  );
}

async function start() {
  const [source, grid] = location.pathname.split("/").slice(-3).map(decodeURIComponent);
  const [tileset, tilejson] = await Promise.all([
    load(`../tiles/${grid}${location.search}`),
    load("tilejson.json"),
  ]);
  const native = tilejson.overzoom.native_maxzoom;
  const limits = tileset.tileMatrixSetLimits;
  const [first, last] = [limits[0], limits[limits.length - 1]];
  const link = tileset.links.find(({ rel, type }) => rel === "item" && type === "image/webp");
  const template = link.href.replace("{tileMatrix}", "{z}").replace("{tileCol}", "{x}");

  document.title = `${source} on ${grid}`;
  const map = L.map("map", {
    crs: PIXELS,
    minZoom: Number(first.tileMatrix),
    maxZoom: Number(last.tileMatrix),
  });
  map.attributionControl.setPrefix("Leaflet");
  map.on("zoomend", () => {
    const made = map.getZoom() > native;
    element("zoom").textContent = `${grid}, zoom ${map.getZoom()} (native to ${native}):`;
    element("origin").textContent = made
      ? `synthesised detail ×${2 ** (map.getZoom() - native)}`
      : "the imagery itself";
    element("badge").className = `panel ${made ? "made" : "real"}`;
  });
  map.setView(extent(last).getCenter(), native);
  L.tileLayer(template.replace("{tileRow}", "{y}"), {
    maxZoom: Number(last.tileMatrix),
    bounds: extent(last),
    noWrap: true,
    attribution: tileset.attribution ?? "",
  }).addTo(map);
}

start().catch((error) => {
  element("trouble").textContent = `The server does not answer (${error.message}).`;
  element("trouble").hidden = false;
});
