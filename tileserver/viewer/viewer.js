// The map at /: two sides of one view, a line between them, and a mark where pixels are made.

const TILE_FORMAT = "webp";
const element = (id) => document.getElementById(id);

const map = L.map("map", { zoomControl: true, attributionControl: true });
map.attributionControl.setPrefix("Leaflet");
L.control.scale({ imperial: false, position: "bottomright" }).addTo(map);
for (const side of ["left", "right"]) map.createPane(side).style.zIndex = 200;

const state = { tilejson: null, reference: null, layers: {} };

// The page's own address may carry an API key: /?key=...#source/zoom/lat/lng
const key = new URLSearchParams(location.search).get("key");

async function load(path) {
  const url = new URL(path, location.href);
  if (key) url.searchParams.set("key", key);
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

function tileJsonUrl(source, mode) {
  return `/${encodeURIComponent(source)}/tilejson.json?tile_format=${TILE_FORMAT}&mode=${mode}`;
}

function layer(tilejson, side) {
  const [west, south, east, north] = tilejson.bounds;
  const tiles = L.tileLayer(tilejson.tiles[0], {
    pane: side,
    minZoom: 0,
    maxZoom: map.getMaxZoom(),
    maxNativeZoom: tilejson.maxzoom,
    bounds: [[south, west], [north, east]],
    attribution: tilejson.attribution ?? "",
    className: `tiles-${side}`,
  });
  tiles.on("tileerror", retry);
  tiles.on("tileload", () => { element("trouble").hidden = true; });
  return tiles;
}

// A tile that was refused (503) or lost is asked for again, three times, ever later.
function retry({ tile, coords, target }) {
  const tries = Number(tile.dataset.tries ?? 0);
  if (tries >= 3) {
    element("trouble").textContent = "Some tiles could not be loaded: the server does not answer.";
    element("trouble").hidden = false;
    return;
  }
  tile.dataset.tries = tries + 1;
  setTimeout(() => { tile.src = target.getTileUrl(coords); }, 1000 * 2 ** tries);
}

function clip() {
  const size = map.getSize();
  const upper = map.containerPointToLayerPoint([0, 0]);
  const lower = map.containerPointToLayerPoint(size);
  const share = Number(element("swipe").value) / 100;
  const at = upper.x + size.x * share;
  map.getPane("left").style.clip = `rect(${upper.y}px ${at}px ${lower.y}px ${upper.x}px)`;
  map.getPane("right").style.clip = `rect(${upper.y}px ${lower.x}px ${lower.y}px ${at}px)`;
  element("divider").style.left = `${100 * share}%`;
  element("left-name").style.right = `calc(${100 * (1 - share)}% + 10px)`;
  element("right-name").style.left = `calc(${100 * share}% + 10px)`;
}

function tell() {
  if (!state.tilejson) return;
  const zoom = map.getZoom();
  const native = state.tilejson.overzoom.native_maxzoom;
  const made = zoom > native;
  element("zoom").textContent = `Zoom ${zoom} (native to ${native}, served to ${state.tilejson.maxzoom}):`;
  element("origin").textContent = made
    ? `synthesised detail ×${2 ** (zoom - native)}`
    : "the imagery itself";
  element("badge").className = `panel ${made ? "made" : "real"}`;
  element("right-name").textContent = made ? "super-resolved" : "native";
  element("left-name").textContent =
    element("left").value === "reference" ? "true detail" : made ? "interpolated" : "native";
  const { lat, lng } = map.getCenter();
  const place = `${zoom}/${lat.toFixed(6)}/${lng.toFixed(6)}`;
  history.replaceState(null, "", `#${element("source").value}/${place}`);
}

async function show(source, view) {
  const [made, interpolated] = await Promise.all([
    load(tileJsonUrl(source, "super-resolved")),
    load(tileJsonUrl(source, "interpolated")),
  ]);
  const reference = made.overzoom.reference;
  state.tilejson = made;
  state.interpolated = interpolated;
  state.reference = reference ? await load(tileJsonUrl(reference, "interpolated")) : null;
  const option = element("left").querySelector("[value=reference]");
  option.hidden = option.disabled = !reference;
  if (!reference) element("left").value = "interpolated";
  map.setMaxZoom(made.maxzoom);
  const [west, south, east, north] = made.bounds;
  if (view) map.setView([view.lat, view.lng], view.zoom);
  else map.setView([(south + north) / 2, (west + east) / 2], made.overzoom.native_maxzoom);
  draw();
}

function draw() {
  for (const old of Object.values(state.layers)) old.remove();
  const left = element("left").value === "reference" ? state.reference : state.interpolated;
  state.layers = { left: layer(left, "left"), right: layer(state.tilejson, "right") };
  for (const tiles of Object.values(state.layers)) tiles.addTo(map);
  clip();
  tell();
}

function fromHash() {
  const [source, zoom, lat, lng] = decodeURIComponent(location.hash.slice(1)).split("/");
  const view = { zoom: Number(zoom), lat: Number(lat), lng: Number(lng) };
  const whole = lng !== undefined && Object.values(view).every(Number.isFinite);
  return { source, view: whole ? view : null };
}

async function start() {
  const sources = await load("/sources.json");
  for (const { id } of sources) element("source").add(new Option(id, id));
  const wanted = fromHash();
  const known = sources.some(({ id }) => id === wanted.source);
  if (known) element("source").value = wanted.source;
  await show(element("source").value, known ? wanted.view : null);
}

function fail(error) {
  element("trouble").textContent = `The server does not answer (${error.message}).`;
  element("trouble").hidden = false;
}

map.on("move zoomend resize viewreset", clip);
map.on("moveend", tell);
element("swipe").addEventListener("input", clip);
element("left").addEventListener("change", draw);
element("source").addEventListener("change", () => show(element("source").value).catch(fail));
start().catch(fail);
