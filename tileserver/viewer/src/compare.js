// Two sides of one view: a line between them (swipe), or one after the other (blink).

import { element, made, write } from "./elements.js";
import { clipped } from "./layers.js";
import { hasMean, isMade, meanOf, sampleOf, seedsOf } from "./documents.js";
import { change, onChange, state } from "./state.js";

const BLINK_MS = 900; // calmer than three flashes a second
const SAMPLE = /^sample-(-?\d+)$/;

export class Compare {
  // shown(): {zoom, native} of the view. attempt(act): does what may fail.
  constructor(map, layers, shown, attempt) {
    Object.assign(this, { map, layers, shown, attempt, timer: 0, alone: false });
    clipped(layers.below, () => (layers.other.getVisible() ? this.#mine() : [0, 1]));
    clipped(layers.top, () => this.#mine());
    clipped(layers.uncertainty, () => this.#mine());
    clipped(layers.other, () => this.#others());
    this.#listen();
    onChange((changed) => this.#changed(changed));
  }

  // What can be compared with, of a source's documents.
  offer({ made: document, interpolated, reference }) {
    const options = [];
    if (interpolated) options.push(made("option", { value: "interpolated" }, "interpolation"));
    if (reference) options.push(made("option", { value: "reference" }, "reference"));
    if (hasMean(document)) options.push(made("option", { value: "mean" }, "best estimate"));
    for (const seed of seedsOf(document)) {
      options.push(made("option", { value: `sample-${seed}` }, `sample ${seed}`));
    }
    element("other").replaceChildren(...options);
    if (!options.some(({ value }) => value === state.other)) {
      change({ other: options[0]?.value ?? "interpolated" });
    }
    element("other").value = state.other;
    this.alone = options.length === 0;
    this.#mode();
    this.#put(state.other, null); // until the other is drawn
  }

  // Puts the other side on its layer.
  async draw() {
    const { documents, other, source } = state;
    const [, seed] = SAMPLE.exec(other) ?? [];
    const overtaken = () => state.documents !== documents || state.other !== other;
    const asked = other === "reference" ? documents.reference
      : other === "mean" ? meanOf(source)
      : seed && sampleOf(source, documents.made, Number(seed));
    const document = await Promise.resolve(asked).catch((error) => {
      if (!overtaken()) throw error;
    });
    if (overtaken()) return;
    this.#put(other, document ?? null, { fade: Boolean(seed) || other === "mean" });
    this.tell();
  }

  // The mode that is shown: one picture where there is nothing to compare it with.
  get mode() {
    return this.alone ? "one" : state.mode;
  }

  // What fills the view past native: made | repeated | interpolated | reference.
  get seen() {
    const other = this.mode === "blink" && state.peeking ? this.drawn : "made";
    if (other === "made" && !isMade(state.documents.made)) return "repeated";
    return SAMPLE.test(other) || other === "mean" ? "made" : other;
  }

  #put(name, document, options) {
    this.drawn = name;
    this.layers.set(this.layers.other, document, options);
    this.layers.other.setVisible(document !== null && this.mode !== "one");
  }

  // Names of the sides, for the zoom that is shown.
  tell() {
    if (!state.documents) return;
    const past = this.shown().zoom > this.shown().native;
    const [, seed] = SAMPLE.exec(this.drawn) ?? [];
    const native = { name: "Imagery", made: false };
    const right = !past ? native
      : isMade(state.documents.made) ? { name: "Super-resolved", made: true }
      : { name: "Imagery, enlarged", made: false };
    const left = this.drawn === "reference" ? { name: "Reference", made: false }
      : !past ? native
      : this.drawn === "mean" ? { name: "Best estimate, no texture", made: true }
      : seed ? { name: `Sample ${seed}`, made: true } : { name: "Interpolated", made: false };
    const sides = { left, right, blink: state.peeking ? left : right };
    for (const [side, { name, made }] of Object.entries(sides)) {
      write(`${side}-name`, name);
      element(`${side}-name`).classList.toggle("made", made);
    }
    element("divider").setAttribute(
      "aria-valuetext", `${state.at} % ${left.name}, then ${right.name}`,
    );
  }

  // The part of the width where the super-resolved side is, and the other.
  #mine() {
    if (this.mode === "swipe") return [state.at / 100, 1];
    return this.mode === "blink" && state.peeking ? [1, 1] : [0, 1];
  }

  #others() {
    const [from] = this.#mine();
    return [0, from];
  }

  #changed(changed) {
    if (changed.has("mode")) this.#mode();
    if (changed.has("other")) element("other").value = state.other;
    if (changed.has("other") && state.documents && !changed.has("documents")) {
      this.attempt(() => this.draw());
    }
    if (changed.has("at")) this.#move();
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
    element("with").hidden = mode === "one";
    element("blinking").hidden = element("blink-name").hidden = mode !== "blink";
    element("sides").hidden = mode !== "swipe";
    this.layers.other.setVisible(mode !== "one" && this.layers.other.getSource() !== null);
    this.blink(false);
  }

  #move() {
    element("sides").style.setProperty("--at", `${state.at}%`);
    element("divider").setAttribute("aria-valuenow", state.at);
  }

  // The timed change of sides, on or off.
  blink(on) {
    clearInterval(this.timer);
    if (on) this.timer = setInterval(() => change({ peeking: !state.peeking }), BLINK_MS);
    element("blink-timed").setAttribute("aria-pressed", on);
    change({ peeking: false });
  }

  get blinking() {
    return element("blink-timed").getAttribute("aria-pressed") === "true";
  }

  #listen() {
    for (const mode of ["one", "swipe", "blink"]) {
      element(`mode-${mode}`).addEventListener("change", () => change({ mode }));
    }
    element("other").addEventListener("change", () => change({ other: element("other").value }));
    element("blink-timed").addEventListener("click", () => this.blink(!this.blinking));
    this.#hold(element("blink-hold"));
    this.#drag(element("divider"));
    this.#mode();
    this.#move();
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

  #drag(handle) {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
    const leaps = { PageDown: -10, PageUp: 10, Home: -100, End: 100 };
    const to = (at) => change({ at: Math.min(Math.max(Math.round(at), 0), 100) });
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      handle.focus();
    });
    handle.addEventListener("pointermove", (event) => {
      if (handle.hasPointerCapture(event.pointerId)) to((100 * event.clientX) / innerWidth);
    });
    handle.addEventListener("keydown", (event) => {
      const by = steps[event.key] ?? leaps[event.key];
      if (by === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      to(state.at + by);
    });
  }
}
