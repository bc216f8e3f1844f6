// What every key does: [[keys, what it does, act(event) on press, act on release]].

import * as appearance from "./appearance.js";
import { closeCards } from "./dialogs.js";
import { element } from "./elements.js";
import { help } from "./keyboard.js";
import { change, state } from "./state.js";

export const shortcuts = ({
  views, compare, inspect, measure, rendering, places, uncertainty, samples, badge, shown, embed,
  share,
}) => [
  [["ArrowLeft"], "move west", () => views.pan(-0.25, 0)],
  [["ArrowRight"], "move east", () => views.pan(0.25, 0)],
  [["ArrowUp"], "move north", () => views.pan(0, -0.25)],
  [["ArrowDown"], "move south", () => views.pan(0, 0.25)],
  [["+", "="], "zoom in", () => views.by(1)],
  [["-", "_"], "zoom out", () => views.by(-1)],
  [["o"], "all of the source", () => views.fit()],
  [["0"], "where the imagery ends", () => state.documents && views.to(shown().native)],
  [["1"], "super-resolved alone", () => change({ mode: "single" })],
  [["2"], "swipe", () => change({ mode: "swipe" })],
  [["3"], "flicker", () => change({ mode: "flicker" })],
  [["[", "]"], "move the divider", ({ key }) => change({
    at: Math.min(Math.max(state.at + (key === "[" ? -5 : 5), 0), 100),
  })],
  [["b", "B"], "hold: the other side (flicker)", () => {
    change({ mode: "flicker" }); // which begins with this side
    change({ peeking: true });
  }, () => change({ peeking: false })],
  [["t"], "flicker by itself", () => { change({ mode: "flicker" }); compare.flicker(!compare.flickering); }],
  [["i"], "inspect a pixel", () => inspect.toggle()],
  [["Enter"], "inspect, or measure from, the map's centre", () => (measure.on ? measure.add(null) : inspect.look(null))],
  [["d"], "measure distance and area", () => measure.toggle()],
  [["Backspace"], "undo the last point", () => measure.on && measure.undo()],
  [["r"], "bands and stretch", () => rendering.toggleCard()],
  [["g"], "go to a place, copy coordinates", () => state.documents && places.open()],
  [["u"], "uncertainty", () => uncertainty.toggle()],
  [["p", "n"], "previous, next sample", ({ key }) => samples.leaf(key === "n" ? 1 : -1)],
  [["m"], "what this badge means", () => badge.explain()],
  [["l"], "sources", () => element("open-sources").click()],
  [["s"], "share", share],
  [["e"], "embed", embed],
  [["q"], "status of the server", () => element("open-status").click()],
  [["f"], "full screen", appearance.fullScreen],
  [["c"], "colours: auto, light, dark", appearance.nextScheme],
  [["?"], "this list", help],
  [["Escape"], "close what is open", () => { inspect.toggle(false); closeCards(); }],
];
