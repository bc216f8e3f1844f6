// Two sides of one view: a line between them (swipe), or one after the other (flicker).

import * as divider from "./divider.js";
import { hasMean, isMade, meanOf, numberOf, SAMPLE, sampleOf, seedsOf } from "./documents.js";
import { element, made, write } from "./elements.js";
import { sidesOf } from "./sides.js";
import { change, onChange, state } from "./state.js";

const FLICKER_MS = 900; // calmer than three flashes a second

export class Compare {
  // shown(): {zoom, native} of the view. attempt(act): does what may fail.
  constructor(map, layers, shown, attempt) {
    Object.assign(this, { map, layers, shown, attempt, timer: 0, alone: false, same: false });
    layers.clip(layers.below, () => (layers.other.getVisible() ? this.#mine() : [0, 1]));
    layers.clip(layers.top, () => this.#mine());
    layers.clip(layers.uncertainty, () => this.#mine());
    layers.clip(layers.other, () => this.#others());
    this.#listen();
    onChange((changed) => this.#changed(changed));
  }

  // What can be compared with, of a source's documents.
  offer({ made: document, interpolated, reference }) {
    const options = [];
    const add = (value, text) => options.push(made("option", { value }, text));
    if (interpolated) add("interpolated", "plain enlargement");
    if (reference) add("reference", "reference");
    if (hasMean(document)) add("mean", "best estimate");
    const seeds = seedsOf(document);
    for (const seed of seeds.filter((one) => one !== (state.sample ?? seeds[0]))) {
      add(`sample-${seed}`, `sample ${numberOf(document, seed)}`);
    }
    element("other").replaceChildren(...options);
    if (!options.some(({ value }) => value === state.other)) {
      change({ other: options[0]?.value ?? "interpolated" });
    }
    element("other").value = state.other;
    this.alone = options.length === 0;
  }

  // Takes what the other side shows away until it is drawn, as of another source.
  clear() {
    this.#mode();
    this.#put(state.other, null);
  }

  // Puts the other side on its layer.
  async draw() {
    const { documents, other, source } = state;
    const [, seed] = SAMPLE.exec(other) ?? [];
    const overtaken = () => state.documents !== documents || state.other !== other;
    const asked = other === "reference" ? documents.reference
      : other === "mean" ? meanOf(source, documents)
      : seed && sampleOf(source, documents, Number(seed));
    const document = await Promise.resolve(asked).catch((error) => {
      if (!overtaken()) throw error;
    });
    if (overtaken()) return;
    this.#put(other, document ?? null, { fade: Boolean(seed) || other === "mean" });
    this.tell();
  }

  // The mode that is shown: one picture where there is nothing to compare it with.
  get mode() {
    return this.alone ? "single" : state.mode;
  }

  // What fills the view past native: made | repeated | interpolated | reference.
  get seen() {
    const other = this.#peeking ? this.drawn : "made";
    if (other === "made" && !isMade(state.documents.made)) return "repeated";
    return SAMPLE.test(other) || other === "mean" ? "made" : other;
  }

  // How much of the synthesised detail that is seen is there: {drawn, total} tiles.
  get progress() {
    return this.#progress(this.#peeking ? this.layers.other : this.layers.top);
  }

  get #peeking() {
    return this.mode === "flicker" && state.peeking;
  }

  #progress(layer) {
    return this.layers.progress(layer, this.shown().zoom);
  }

  #put(name, document, options) {
    this.drawn = name;
    this.layers.set(this.layers.other, document, options);
    this.layers.other.setVisible(document !== null && this.mode !== "single");
  }

  // Names of the sides, for the zoom that is shown.
  tell() {
    if (!state.documents) return;
    const past = this.shown().zoom > this.shown().native;
    const { left, right, same } = sidesOf(state.documents, this.drawn, past);
    this.same = same;
    const [mine, others] = [this.layers.top, this.layers.other];
    this.#name("left", left, others, past);
    this.#name("right", right, mine, past);
    this.#name("flicker", ...(state.peeking ? [left, others] : [right, mine]), past);
    write("caption", `Left: ${left.says}. Right: ${right.says}.`);
    element("divider").setAttribute(
      "aria-valuetext", `${state.at} % ${left.name}, then ${right.name}`,
    );
    element("sides").hidden = element("caption").hidden = this.mode !== "swipe" || same;
    element("zoom-to-detail").hidden = this.mode === "single" || !same;
  }

  #name(side, { name, made: synthesised }, layer, past) {
    const { drawn, total } = synthesised && past ? this.#progress(layer) : { drawn: 0, total: 0 };
    const drawing = drawn < total;
    write(`${side}-name`, drawing ? `Drawing detail, ${drawn} of ${total}` : name);
    element(`${side}-name`).classList.toggle("made", synthesised && !drawing);
  }

  // The part of the width where the super-resolved side is, and the other.
  #mine() {
    if (this.mode === "swipe" && !this.same) return [state.at / 100, 1];
    return this.#peeking ? [1, 1] : [0, 1];
  }

  #others() {
    const [from] = this.#mine();
    return [0, from];
  }

  #changed(changed) {
    if (changed.has("mode")) this.#mode();
    if (changed.has("other")) element("other").value = state.other;
    if (state.documents && !changed.has("documents")) {
      if (changed.has("other")) this.attempt(() => this.draw());
      if (changed.has("sample")) this.offer(state.documents); // never against itself
    }
    if (changed.has("at")) divider.tell();
    if (["mode", "at", "peeking"].some((name) => changed.has(name))) {
      this.map.render();
      this.tell();
    }
  }

  #mode() {
    const { mode } = this;
    document.body.dataset.mode = mode;
    element("compare").hidden = this.alone;
    element(`mode-${mode}`).checked = true;
    element("with").hidden = mode === "single";
    element("flickering").hidden = element("flicker-name").hidden = mode !== "flicker";
    this.layers.other.setVisible(mode !== "single" && this.layers.other.getSource() !== null);
    this.flicker(false);
    this.tell();
  }

  // The timed change of sides, on or off.
  flicker(on) {
    clearInterval(this.timer);
    if (on) this.timer = setInterval(() => change({ peeking: !state.peeking }), FLICKER_MS);
    element("flicker-timed").setAttribute("aria-pressed", on);
    change({ peeking: false });
  }

  get flickering() {
    return element("flicker-timed").getAttribute("aria-pressed") === "true";
  }

  #listen() {
    for (const mode of ["single", "swipe", "flicker"]) {
      element(`mode-${mode}`).addEventListener("change", () => change({ mode }));
    }
    element("other").addEventListener("change", () => change({ other: element("other").value }));
    element("flicker-timed").addEventListener("click", () => this.flicker(!this.flickering));
    this.#hold(element("flicker-hold"));
    divider.listen();
    divider.tell();
    this.#mode();
  }

  #hold(button) {
    const peek = (peeking) => () => change({ peeking });
    button.addEventListener("pointerdown", peek(true));
    for (const name of ["pointerup", "pointerleave", "pointercancel", "keyup", "blur"]) {
      button.addEventListener(name, peek(false));
    }
    button.addEventListener("keydown", (event) => {
      if (event.key === " " || event.key === "Enter") change({ peeking: true });
    });
  }
}
