// The page at /: what is real, what is synthesised, and how sure that is.
//
//   address -> state -> documents -> layers -> tiles -> map
//                 \-> badge, ladder, sides, cards

import Map from "ol/Map.js";
import DoubleClickZoom from "ol/interaction/DoubleClickZoom.js";
import DragPan from "ol/interaction/DragPan.js";
import PinchZoom from "ol/interaction/PinchZoom.js";
import Kinetic from "ol/Kinetic.js";
import { digits, read, written } from "./address.js";
import { AddressBar } from "./address_bar.js";
import * as appearance from "./appearance.js";
import { attribute } from "./attribution.js";
import { Badge } from "./badge.js";
import { Basemap } from "./basemap.js";
import { Compare } from "./compare.js";
import { lost } from "./connection.js";
import * as dialogs from "./dialogs.js";
import { documentsOf, FINER, isMade } from "./documents.js";
import { Download } from "./download.js";
import { element } from "./elements.js";
import { sizesOf } from "./ground.js";
import * as embedding from "./embed.js";
import { Inspect } from "./inspect.js";
import { help, Keyboard } from "./keyboard.js";
import { Layers } from "./layers.js";
import { Measure } from "./measure.js";
import { hide, say, show } from "./messages.js";
import { Places } from "./places.js";
import { Readings } from "./readings.js";
import { PLAIN, Rendering, renderingOf } from "./rendering.js";
import { Away, load, Refused } from "./server.js";
import { shortcuts } from "./shortcuts.js";
import { Settling } from "./settling.js";
import { Samples } from "./samples.js";
import * as sharing from "./share.js";
import { list, mark } from "./sources.js";
import { change, onChange, state } from "./state.js";
import * as status from "./status.js";
import { Uncertainty } from "./uncertainty.js";
import { PAST_NATIVE, Views } from "./view.js";
import { Wheel } from "./wheel.js";
import { ZoomLadder } from "./zoom_ladder.js";

const map = new Map({
  target: "map",
  controls: [],
  interactions: [
    new DragPan({ kinetic: new Kinetic(-0.005, 0.05, 100) }),
    new DoubleClickZoom(),
    new PinchZoom(),
  ],
  maxTilesLoading: Infinity, // Tiles decides
});
const layers = new Layers(map, tell);
const { tiles } = layers;
const settling = new Settling(map, tiles);
const views = new Views(map);
new Wheel(map, views);
const badge = new Badge();
const ladder = new ZoomLadder((zoom) => views.to(zoom));
const readings = new Readings(map);
const compare = new Compare(map, layers, shown, attempt);
const uncertainty = new Uncertainty(layers);
const samples = new Samples(layers, attempt);
const inspect = new Inspect(map, () => {
  const { zoom, native } = shown();
  return { zoom: zoom + FINER, native: native + FINER };
}, () => measure.toggle(false));
const measure = new Measure(map, () => inspect.toggle(false));
const basemap = new Basemap(map);
const places = new Places(() => views.place, (place) => views.go(place));
const rendering = new Rendering((wanted) =>
  attempt(() => open(state.source, null, wanted)));
const download = new Download(map, () => ({
  zoom: views.zoom,
  place: place(views.place),
  title: element("source-title").textContent,
  divider: element("sides").hidden ? null : state.at / 100,
}));
const bar = new AddressBar(() => (state.documents ? written(views.place, state) : null));
let sources = [];
let opening = 0; // the number of the latest wish to open a source

// The view in terms of the source.
function shown() {
  const { made } = state.documents;
  const least = Math.round(map.getView().getMinZoom());
  const native = made.overzoom.native_maxzoom;
  return {
    zoom: views.zoom, native, least, most: made.maxzoom, sizes: sizesOf(made),
    synthesised: isMade(made),
  };
}

function tell() {
  if (!state.documents) return;
  const now = shown();
  const waiting = tiles.missing;
  const busy = waiting.some(({ tries }) => tries > 0);
  ladder.tell(now);
  const { seen, progress } = compare;
  badge.tell({ ...now, ...progress, seen, waiting: waiting.length, busy });
  compare.tell();
  uncertainty.tell(now);
}

// Opens a source; until all its documents are there, everything stays as it is. view: null for
// where we look now, if the source has that ground, else where it is best looked at first.
async function open(source, view, settings = {}, turn = (opening += 1)) {
  const entry = entryOf(source);
  const wanted = { ...PLAIN, ...settings };
  const documents = await documentsOf(source, renderingOf(wanted))
    .catch((error) => withoutRendering(error, source, wanted)).catch(unlessOvertaken(turn));
  if (turn !== opening) return; // overtaken
  if (state.source && state.source !== source && bar.isOwn) bar.push();
  hide("unknown");
  const here = views.isOn(documents.made);
  const stays = state.source === source && !view && here; // a move under way goes on
  if (!stays) views.open(documents.made, view ?? (here ? views.place : entry.view));
  change({ ...wanted, ...documents.rendering, source, documents, drawn: null });
  mark(entry);
  document.title = `${entry.title ?? source}: Overzoom`;
  hide("tiles");
  credit();
  rendering.offer(entry, basemap.settings !== null);
  samples.offer(documents);
  compare.offer(documents);
  compare.clear();
  uncertainty.offer(documents);
  layers.set(layers.below, documents.interpolated ?? documents.made, { below: documents.made });
  await Promise.all([samples.draw(), compare.draw()]);
  bar.write();
}

// The documents of a source that cannot be shown as an address says, shown plainly.
function withoutRendering(error, source, wanted) {
  const chosen = Object.values(renderingOf(wanted)).some(Boolean);
  if (!chosen || !(error instanceof Refused) || error.status !== 422) throw error;
  say("The source cannot be shown with these bands, stretch or colours.");
  return documentsOf(source, PLAIN);
}

const entryOf = (source) => sources.find(({ id }) => id === source);

// Says whose imagery is shown.
function credit() {
  const shown = [state.source, state.documents?.made.overzoom.reference];
  attribute(...shown.map((id) => entryOf(id)?.attribution), basemap.attribution);
}

const place = ({ zoom, latitude, longitude }) =>
  [latitude, longitude].map((degrees) => degrees.toFixed(digits(zoom)));

const unlessOvertaken = (turn) => (error) => {
  if (turn === opening) throw error;
};

// Opens what the address says.
function start() {
  const wanted = read(location.hash);
  attempt(() => bar.during(follow(wanted)).then(() => bar.write()));
}

async function follow({ source, view, settings }) {
  const turn = (opening += 1);
  if (sources.length === 0) {
    const answers = await Promise.all([load("sources.json"), load("viewer.json")])
      .catch(unlessOvertaken(turn));
    if (turn !== opening) return; // overtaken
    sources = answers[0];
    basemap.offer(answers[1].basemap);
    download.limit(answers[1].map_side_px);
    list(sources, (id) => attempt(() => open(id, null)));
  }
  if (sources.length === 0) throw new Error("no sources available. Is an API key missing?");
  const drawable = sources.filter(({ tilejson }) => tilejson !== null);
  const known = drawable.find(({ id }) => id === source);
  await open((known ?? drawable[0] ?? sources[0]).id, known ? view : null, settings, turn);
  if (source && !known && turn === opening) tellUnknown(source);
}

// Why another source is shown than the address says.
function tellUnknown(source) {
  const why = sources.find(({ id }) => id === source)?.unavailable;
  const reason = why ? `cannot be shown (${why})` : "is not on this server";
  show("unknown", `The source "${source}" ${reason}: this is another one.`, {
    name: "Close", act: () => hide("unknown"),
  });
}

// Does what may fail, as often as it takes.
function attempt(act) {
  const again = () => attempt(act);
  hide("source");
  settling.during(act()).catch((error) => {
    if (error instanceof Away) lost().then(again);
    else {
      const reason = error instanceof Refused && error.status === 401
        ? "an API key is needed: open the page as /?key=..."
        : error.message;
      show("source", `The source cannot be shown: ${reason}`, { name: "Retry", act: again });
    }
  });
}

function embed() {
  if (state.documents) embedding.embed(views.place);
}

function share() {
  bar.write();
  sharing.share();
}

new Keyboard(shortcuts({
  views, compare, inspect, measure, rendering, places, uncertainty, samples, badge, shown, embed,
  share,
}));

appearance.listen();
dialogs.listen();
embedding.listen();
sharing.listen();
status.listen();
element("open-share").addEventListener("click", share);
element("open-embed").addEventListener("click", embed);
element("open-help").addEventListener("click", help);
element("fit").addEventListener("click", () => views.fit());
element("zoom-to-detail").addEventListener("click", () => views.to(shown().native + PAST_NATIVE));
map.on("moveend", () => {
  tell();
  readings.tell();
  bar.write();
});
map.on("postrender", tell);
onChange((changed) => {
  if (["at", "uncertainty"].some((name) => changed.has(name))) bar.writeSoon();
  if (["mode", "other", "sample", "basemap"].some((name) => changed.has(name))) bar.write();
  if (changed.has("basemap")) credit();
});
addEventListener("hashchange", () => {
  if (!bar.isOwn) start();
});
start();
