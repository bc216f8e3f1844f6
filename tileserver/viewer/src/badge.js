// What one looks at: the imagery itself, or synthesised detail, and what that means.

import { element, made, write } from "./elements.js";
import { isMade } from "./documents.js";
import { opened } from "./dialogs.js";
import { metres, times } from "./ground.js";
import { state } from "./state.js";

const PAST_NATIVE = {
  made: "Synthesised detail", interpolated: "Plain enlargement", repeated: "The imagery, enlarged",
};
const REAL = [
  "At this zoom every pixel is the imagery itself, averaged to the size of the screen's pixels. "
  + "Nothing is added.",
];
const REPEATED = [
  "The imagery has no detail this fine. Its own pixels are shown larger, each as it is: nothing is "
  + "synthesised, averaged or interpolated.",
];
const MADE = (imagery, pixel) => [
  `The imagery has no detail this fine: its pixels are ${imagery} on the ground, these ${pixel}. A `
  + "denoising model drew what lies between. It is plausible, not measured: another sample would "
  + "draw it differently. Do not count, measure or identify what appears only here.",
  "It stays true to the data: averaged back to the zoom where it ends, every pixel is exactly "
  + "the imagery's own, to within the rounding of one level.",
];

// Says what is seen at a zoom; seen: made | repeated | interpolated | reference. drawn: how many of
// the total of tiles of it are there: what is not there is not claimed.
export function tellOrigin({ zoom, native, seen, sizes, drawn, total }) {
  const real = seen === "reference" || seen === "repeated" || zoom <= native;
  const drawing = !real && seen === "made" && drawn < total;
  const kind = real ? "real" : drawing ? "drawing" : seen;
  write("origin", drawing ? `Drawing detail, ${drawn} of ${total}`
    : seen === "reference" ? "The reference" : origin({ zoom, native, seen, sizes }));
  element("badge").className = `panel ${kind}`;
  element("drawing").hidden = !drawing;
  element("drawing").style.setProperty("--drawn", `${(100 * drawn) / total}%`);
}

function origin({ zoom, native, sizes, seen = "made" }) {
  return zoom > native ? `${PAST_NATIVE[seen]} ${times(sizes.ratio(zoom))}` : "Original imagery";
}

// Where a zoom is: "Zoom 21, imagery ends at 19", "Zoom 19, full resolution".
export function place({ zoom, native, sizes }) {
  const what = zoom !== native ? `imagery ends at ${native}`
    : sizes.full <= zoom ? "full resolution" : "imagery ends here";
  return `Zoom ${zoom}, ${what}`;
}

// "Imagery 0.60 m, these pixels 0.13 m"
export function sizesText({ zoom, sizes }) {
  return `Imagery ${metres(sizes.imagery)}, these pixels ${metres(sizes.pixel(zoom))}`;
}

const checkpoint = ({ checkpoint: name, checkpoint_fingerprint: digest }) => `${name} (${digest})`;

export class Badge {
  constructor() {
    element("badge").addEventListener("click", () => this.explain());
  }

  tell({ zoom, native, sizes, seen, drawn, total, waiting, busy }) {
    Object.assign(this, { zoom, native, sizes });
    tellOrigin({ zoom, native, seen, sizes, drawn, total });
    write("zoom", place(this));
    write("sizes", sizesText(this));
    const drawing = `rawing ${waiting} tile${waiting === 1 ? "" : "s"}`;
    write("progress", !waiting ? "" : busy ? `Server busy, d${drawing}` : `D${drawing}`);
  }

  explain() {
    if (!state.documents || !state.drawn) return;
    const { overzoom, name, maxzoom } = state.drawn;
    const past = this.zoom > this.native;
    const [imagery, pixel] = [this.sizes.imagery, this.sizes.pixel(this.zoom)].map(metres);
    const kind = isMade(state.drawn) ? "made" : "repeated";
    const facts = [
      ["Source", name],
      ["Zoom", `${this.zoom}; imagery ends at ${this.native}, served to ${maxzoom}`],
      ["Pixels on the ground", `imagery ${imagery}, these ${pixel}`],
      ["Checkpoint", overzoom.checkpoint && checkpoint(overzoom)],
      ["Denoising steps", overzoom.steps],
      ["Noise seed", overzoom.noise_seed],
      ["Fingerprint", overzoom.fingerprint],
    ];
    element("meaning-title").textContent = origin({ ...this, seen: kind });
    element("meaning-text").replaceChildren(
      ...(!past ? REAL : kind === "made" ? MADE(imagery, pixel) : REPEATED)
        .map((text) => made("p", {}, text)),
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
