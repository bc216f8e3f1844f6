// What one looks at: the imagery itself, or synthesised detail, and what that means.

import { element, made, write } from "./elements.js";
import { isMade } from "./documents.js";
import { opened } from "./dialogs.js";
import { state } from "./state.js";

const PAST_NATIVE = {
  made: "Synthesised detail", interpolated: "Interpolated", repeated: "The imagery, enlarged",
};
const REAL = [
  "At this zoom every pixel is the imagery itself, averaged to the size of the screen's pixels. "
  + "Nothing is added.",
];
const REPEATED = [
  "The imagery has no detail this fine. Its own pixels are shown larger, each as it is: nothing is "
  + "synthesised, averaged or interpolated.",
];
const MADE = (scale) => [
  `The imagery has no detail this fine. A denoising model drew what you see, ${scale} times finer `
  + "than the imagery on each axis. It is plausible, not measured: another sample draws it "
  + "otherwise. Do not count, measure or identify what appears only here.",
  "It stays true to the data: averaged back to the native zoom, every pixel is exactly the "
  + "imagery's own, to the rounding of a level.",
];

// Says what is seen at a zoom; seen: made | repeated | interpolated | reference.
export function tellOrigin({ zoom, native, seen }) {
  const real = seen === "reference" || seen === "repeated" || zoom <= native;
  const kind = real ? "real" : seen;
  write("origin", seen === "reference" ? "The reference" : origin(zoom, native, seen));
  element("badge").className = `panel ${kind}`;
}

function origin(zoom, native, seen = "made") {
  return zoom > native ? `${PAST_NATIVE[seen]} ×${2 ** (zoom - native)}` : "The imagery itself";
}

const checkpoint = ({ checkpoint: name, checkpoint_fingerprint: digest }) => `${name} (${digest})`;

export class Badge {
  constructor() {
    element("badge").addEventListener("click", () => this.explain());
  }

  tell({ zoom, native, seen, waiting, busy }) {
    Object.assign(this, { zoom, native });
    tellOrigin({ zoom, native, seen });
    write("zoom", `Zoom ${zoom}, native to ${native}`);
    const toCome = `${waiting} to come`;
    write("progress", !waiting ? "" : busy ? `server busy, ${toCome}` : toCome);
  }

  explain() {
    if (!state.documents || !state.drawn) return;
    const { overzoom, name, maxzoom } = state.drawn;
    const past = this.zoom > this.native;
    const scale = 2 ** (this.zoom - this.native);
    const kind = isMade(state.drawn) ? "made" : "repeated";
    const facts = [
      ["Source", name],
      ["Zoom", `${this.zoom}; native to ${this.native}, served to ${maxzoom}`],
      ["Checkpoint", overzoom.checkpoint && checkpoint(overzoom)],
      ["Denoising steps", overzoom.steps],
      ["Noise seed", overzoom.noise_seed],
      ["Fingerprint", overzoom.fingerprint],
    ];
    element("meaning-title").textContent = origin(this.zoom, this.native, kind);
    element("meaning-text").replaceChildren(
      ...(!past ? REAL : kind === "made" ? MADE(scale) : REPEATED).map((text) => made("p", {}, text)),
    );
    element("meaning-facts").replaceChildren(
      ...facts.filter(([, value]) => value !== undefined).flatMap(([term, value]) => [
        made("dt", {}, term),
        made("dd", {}, `${value}`),
      ]),
    );
    opened("meaning");
  }
}
