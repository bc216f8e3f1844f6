// The page at /: what is real, what is synthesised, and how sure that is.
//
//   address -> state -> documents -> layers -> tiles -> map
//                 \-> badge, ladder, sides, cards

import Map from "ol/Map.js";
import DoubleClickZoom from "ol/interaction/DoubleClickZoom.js";
import DragPan from "ol/interaction/DragPan.js";
import MouseWheelZoom from "ol/interaction/MouseWheelZoom.js";
import PinchZoom from "ol/interaction/PinchZoom.js";
import Kinetic from "ol/Kinetic.js";
import { read, written } from "./address.js";
import * as appearance from "./appearance.js";
import { attribute } from "./attribution.js";
import { Badge } from "./badge.js";
import { Certainty } from "./certainty.js";
import { Compare } from "./compare.js";
import { lost } from "./connection.js";
import * as dialogs from "./dialogs.js";
import { documentsOf, FINER, isMade } from "./documents.js";
import { element } from "./elements.js";
import { sizesOf } from "./ground.js";
import * as embedding from "./embed.js";
import { Inspect } from "./inspect.js";
import { help, Keyboard } from "./keyboard.js";
import { Layers } from "./layers.js";
import { hide, show } from "./messages.js";
import { Readings } from "./readings.js";
import { Away, load, Refused } from "./server.js";
import { Settling } from "./settling.js";
import * as sharing from "./share.js";
import { list, mark } from "./sources.js";
import { change, onChange, state } from "./state.js";
import * as status from "./status.js";
import { Tiles } from "./tiles.js";
import { Views } from "./view.js";
import { ZoomLadder } from "./zoom_ladder.js";

const map = new Map({
  target: "map",
  controls: [],
  interactions: [
    new DragPan({ kinetic: new Kinetic(-0.005, 0.05, 100) }),
    new DoubleClickZoom(),
    new MouseWheelZoom(),
    new PinchZoom(),
  ],
  maxTilesLoading: Infinity, // Tiles decides
});
const tiles = new Tiles(map, tell);
const settling = new Settling(map, tiles);
const layers = new Layers(map, tiles);
const views = new Views(map);
const badge = new Badge();
const ladder = new ZoomLadder((zoom) => views.to(zoom));
const readings = new Readings(map);
const compare = new Compare(map, layers, shown, attempt);
const certainty = new Certainty(layers, attempt);
const inspect = new Inspect(map, () => {
  const { zoom, native } = shown();
  return { zoom: zoom + FINER, native: native + FINER };
});
let sources = [];
let lastWritten = "";
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
  badge.tell({ ...now, seen: compare.seen, waiting: waiting.length, busy });
  compare.tell();
}

function keep() {
  if (!state.documents) return;
  lastWritten = written(views.place, state);
  history.replaceState(null, "", lastWritten);
}

// Opens a source; until all its documents are there, everything stays as it is.
async function open(source, view, settings = {}, turn = (opening += 1)) {
  const entry = sources.find(({ id }) => id === source);
  const documents = await documentsOf(source).catch(unlessOvertaken(turn));
  if (turn !== opening) return; // overtaken
  views.open(documents.made, view);
  change({ ...settings, source, documents, drawn: null });
  mark(entry);
  document.title = `${entry.title ?? source}: Overzoom`;
  const { made, interpolated, reference } = documents;
  hide("tiles");
  attribute(made.attribution, reference?.attribution);
  compare.offer(documents);
  certainty.offer(documents);
  layers.set(layers.below, interpolated ?? made, { below: made });
  await Promise.all([certainty.draw(), compare.draw()]);
  keep();
}

const unlessOvertaken = (turn) => (error) => {
  if (turn === opening) throw error;
};

// Opens what the address says.
function start() {
  const wanted = read(location.hash);
  attempt(() => follow(wanted));
}

async function follow({ source, view, settings }) {
  const turn = (opening += 1);
  if (sources.length === 0) {
    const listed = await load("sources.json").catch(unlessOvertaken(turn));
    if (turn !== opening) return; // overtaken
    sources = listed;
    list(sources, (id) => attempt(() => open(id, null)));
  }
  if (sources.length === 0) throw new Error("it has no sources for you: is an API key missing?");
  const drawable = sources.filter(({ tilejson }) => tilejson !== null);
  const known = drawable.find(({ id }) => id === source);
  await open((known ?? drawable[0] ?? sources[0]).id, known ? view : null, settings, turn);
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
  if (state.documents) embedding.embed(state.source, views.place);
}

new Keyboard([
  [["ArrowLeft"], "move west", () => views.pan(-0.25, 0)],
  [["ArrowRight"], "move east", () => views.pan(0.25, 0)],
  [["ArrowUp"], "move north", () => views.pan(0, -0.25)],
  [["ArrowDown"], "move south", () => views.pan(0, 0.25)],
  [["+", "="], "zoom in", () => views.by(1)],
  [["-", "_"], "zoom out", () => views.by(-1)],
  [["0"], "where the imagery ends", () => state.documents && views.to(shown().native)],
  [["1"], "super-resolved alone", () => change({ mode: "one" })],
  [["2"], "swipe", () => change({ mode: "swipe" })],
  [["3"], "blink", () => change({ mode: "blink" })],
  [["[", "]"], "move the divider", ({ key }) => change({
    at: Math.min(Math.max(state.at + (key === "[" ? -5 : 5), 0), 100),
  })],
  [["b"], "hold: the other side (blink)", () => change({ mode: "blink", peeking: true }),
    () => change({ peeking: false })],
  [["t"], "blink by itself", () => { change({ mode: "blink" }); compare.blink(!compare.blinking); }],
  [["i"], "inspect a pixel", () => inspect.toggle()],
  [["Enter"], "inspect the map's centre", () => inspect.look(null)],
  [["u"], "uncertainty", () => certainty.toggle()],
  [["p", "n"], "previous, next sample", ({ key }) => certainty.leaf(key === "n" ? 1 : -1)],
  [["m"], "what this badge means", () => badge.explain()],
  [["l"], "sources", () => element("open-sources").click()],
  [["s"], "share", sharing.share],
  [["e"], "embed", embed],
  [["q"], "status of the server", () => element("open-status").click()],
  [["f"], "full screen", appearance.fullScreen],
  [["c"], "colours: auto, light, dark", appearance.nextScheme],
  [["?"], "this list", help],
  [["Escape"], "close", () => inspect.toggle(false)],
]);

appearance.listen();
dialogs.listen();
embedding.listen();
sharing.listen();
status.listen();
element("open-share").addEventListener("click", sharing.share);
element("open-embed").addEventListener("click", embed);
element("open-help").addEventListener("click", help);
map.on("moveend", () => {
  tell();
  readings.tell();
  keep();
});
map.on("postrender", tell);
onChange((changed) => {
  if (["mode", "other", "at", "uncertainty", "sample"].some((name) => changed.has(name))) keep();
});
addEventListener("hashchange", () => {
  if (location.hash !== lastWritten) start();
});
start();
