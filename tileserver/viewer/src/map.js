// The map at /{source}/{grid}/map.html: one source on one grid, in the grid's own pixels.

import Map from "ol/Map.js";
import View from "ol/View.js";
import DoubleClickZoom from "ol/interaction/DoubleClickZoom.js";
import DragPan from "ol/interaction/DragPan.js";
import KeyboardPan from "ol/interaction/KeyboardPan.js";
import KeyboardZoom from "ol/interaction/KeyboardZoom.js";
import PinchZoom from "ol/interaction/PinchZoom.js";
import { getIntersection } from "ol/extent.js";
import TileLayer from "ol/layer/Tile.js";
import Projection from "ol/proj/Projection.js";
import ImageTile from "ol/source/ImageTile.js";
import TileGrid from "ol/tilegrid/TileGrid.js";
import { attribute } from "./attribution.js";
import { place, sizesText, tellOrigin } from "./badge.js";
import { isMade } from "./documents.js";
import { write } from "./elements.js";
import { sizesOf } from "./ground.js";
import { show } from "./messages.js";
import { load } from "./server.js";
import { Settling } from "./settling.js";
import { Tiles } from "./tiles.js";
import { Views } from "./view.js";
import { Wheel } from "./wheel.js";
import { ZoomLadder } from "./zoom_ladder.js";

// Matrices double around one corner, so a place is a pixel of zoom 0: no projection is needed.
const PIXELS = new Projection({ code: "pixels", units: "pixels", metersPerUnit: 1 });
const TILE_PX = 256;

// The part of the grid that shows ground at a zoom.
function extent({ tileMatrix, minTileRow, maxTileRow, minTileCol, maxTileCol }) {
  const side = TILE_PX / 2 ** Number(tileMatrix);
  const south = -(maxTileRow + 1) * side;
  return [minTileCol * side, south, (maxTileCol + 1) * side, -minTileRow * side];
}

function layer(tiles, template, limits, interpolate) {
  const [first, last] = [limits[0], limits[limits.length - 1]];
  const zooms = Number(last.tileMatrix) + 1;
  const source = new ImageTile({
    loader: () => null, // set below: it names the source
    projection: PIXELS,
    tileGrid: new TileGrid({
      origin: [0, 0],
      resolutions: Array.from({ length: zooms }, (_, zoom) => 2 ** -zoom),
      minZoom: Number(first.tileMatrix),
      tileSize: TILE_PX,
    }),
    wrapX: false,
    transition: 0,
    interpolate, // classes have nothing between them
  });
  const url = (z, x, y) => template.replace("{z}", z).replace("{x}", x).replace("{y}", y);
  source.setLoader(tiles.loader(source, url, () => true));
  source.setKey(template);
  return new TileLayer({ source, extent: extent(last) });
}

async function start() {
  const [source, grid] = location.pathname.split("/").slice(-3).map(decodeURIComponent);
  const mode = new URLSearchParams(location.search).get("mode");
  const [tileset, tilejson] = await Promise.all([
    load(`../tiles/${grid}${location.search}`),
    load("tilejson.json"),
  ]);
  const native = tilejson.overzoom.native_maxzoom;
  const sizes = sizesOf(tilejson);
  const synthesised = isMade(tilejson);
  const seen = !synthesised ? "repeated" : mode === "interpolated" ? mode : "made";
  const limits = tileset.tileMatrixSetLimits;
  const [first, last] = [limits[0], limits[limits.length - 1]];
  const [least, most] = [first, last].map(({ tileMatrix }) => Number(tileMatrix));
  const link = tileset.links.find(({ rel, type }) => rel === "item" && type === "image/webp");
  const template = link.href
    .replace("{tileMatrix}", "{z}").replace("{tileCol}", "{x}").replace("{tileRow}", "{y}");

  document.title = `${source} on ${grid}`;
  attribute(tileset.attribution);
  const [west, south, east, north] = extent(last);
  const view = new View({
    projection: PIXELS,
    center: [(west + east) / 2, (south + north) / 2],
    resolutions: Array.from({ length: most + 1 }, (_, zoom) => 2 ** -zoom),
    minZoom: least,
    zoom: native,
    extent: [west, south, east, north],
    constrainOnlyCenter: true,
    constrainResolution: true,
    enableRotation: false,
  });
  const map = new Map({
    target: "map",
    view,
    controls: [],
    interactions: [
      new DragPan(), new DoubleClickZoom(), new PinchZoom(),
      new KeyboardPan(), new KeyboardZoom(),
    ],
    maxTilesLoading: Infinity, // Tiles decides
  });
  const views = new Views(map);
  new Wheel(map, views);
  const ladder = new ZoomLadder((zoom) => views.to(zoom));
  const tiles = new Tiles(map, () => {});
  const top = layer(tiles, template, limits, synthesised);
  map.on("postrender", () => {
    const zoom = Math.round(view.getZoom());
    ladder.tell({ zoom, native, least, most, sizes, synthesised });
    write("zoom", `${grid}: ${place({ zoom, native, sizes })}`);
    write("sizes", sizesText({ zoom, sizes }));
    if (view.getAnimating()) return; // what is looked at changes by the frame
    const looked = getIntersection(view.calculateExtent(map.getSize()), top.getExtent());
    const { drawn, total } = tiles.progress(top.getSource(), looked, zoom);
    tellOrigin({ zoom, native, seen, sizes, drawn, total });
  });
  new Settling(map, tiles);
  map.addLayer(top);
}

start().catch((error) => show("map", `The map cannot be shown: ${error.message}.`));
