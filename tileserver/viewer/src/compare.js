// Two sides of one view: a line between them (swipe), or one after the other (blink).

import { element, made } from "./elements.js";
import { clipped } from "./layers.js";
import { sampleOf } from "./documents.js";
import { change, onChange, state } from "./state.js";

const BLINK_MS = 900; // calmer than three flashes a second
const SAMPLE = /^sample-(-?\d+)$/;

export class Compare {
  // shown(): {zoom, native} of the view.
  constructor(map, layers, shown) {
    Object.assign(this, { map, layers, shown, timer: 0 });
    clipped(layers.below, () => (layers.other.getVisible() ? this.#mine() : [0, 1]));
    clipped(layers.top, () => this.#mine());
    clipped(layers.uncertainty, () => this.#mine());
    clipped(layers.other, () => this.#others());
    this.#listen();
    onChange((changed) => this.#changed(changed));
  }

  // What can be compared with, of a source's documents.
  offer({ made: document, reference }) {
    const options = [made("option", { value: "interpolated" }, "interpolation")];
    if (reference) options.push(made("option", { value: "reference" }, "reference"));
    for (const seed of document.overzoom.noise_seeds ?? []) {
      options.push(made("option", { value: `sample-${seed}` }, `sample ${seed}`));
    }
    element("other").replaceChildren(...options);
    if (!options.some(({ value }) => value === state.other)) change({ other: "interpolated" });
    element("other").value = state.other;
  }

  // Puts the other side on its layer.
  async draw() {
    const { documents, other, source } = state;
    const [, seed] = SAMPLE.exec(other) ?? [];
    const document = other === "reference"
      ? documents.reference
      : seed && (await sampleOf(source, documents.made, Number(seed)));
    if (state.documents !== documents || state.other !== other) return; // overtaken
    this.layers.set(this.layers.other, document ?? null, { fade: Boolean(seed) });
    this.layers.other.setVisible(Boolean(document) && state.mode !== "one");
    this.tell();
  }

  // Names of the sides, for the zoom that is shown.
  tell() {
    if (!state.documents) return;
    const { zoom, native } = this.shown();
    const past = zoom > native;
    const names = { interpolated: past ? "Interpolated" : "Native", reference: "Reference" };
    const [, seed] = SAMPLE.exec(state.other) ?? [];
    const left = names[state.other] ?? `Sample ${seed}`;
    const right = past ? "Super-resolved" : "Native";
    element("left-name").textContent = left;
    element("right-name").textContent = right;
    element("blink-name").textContent = state.peeking ? left : right;
    for (const [id, name] of [["left-name", left], ["right-name", right]]) {
      element(id).classList.toggle("made", past && name !== "Interpolated" && name !== "Reference");
    }
    element("blink-name").classList.toggle("made", past && !state.peeking);
    element("divider").setAttribute("aria-valuetext", `${state.at} % ${left}, then ${right}`);
  }

  // The part of the width where the super-resolved side is, and the other.
  #mine() {
    if (state.mode === "swipe") return [state.at / 100, 1];
    return state.mode === "blink" && state.peeking ? [1, 1] : [0, 1];
  }

  #others() {
    const [from] = this.#mine();
    return [0, from];
  }

  #changed(changed) {
    if (changed.has("mode")) this.#mode();
    if (changed.has("other")) element("other").value = state.other;
    if (changed.has("other") && state.documents) this.draw();
    if (changed.has("at")) this.#move();
    if (["mode", "at", "peeking"].some((name) => changed.has(name))) {
      this.map.render();
      this.tell();
    }
  }

  #mode() {
    const { mode } = state;
    document.body.dataset.mode = mode;
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
