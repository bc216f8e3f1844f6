// How sure the detail is: its uncertainty as an overlay, and the samples.

import { card } from "./dialogs.js";
import { element, made } from "./elements.js";
import { isMade, sampleOf, seedsOf } from "./documents.js";
import { change, onChange, state } from "./state.js";

const USUAL_OPACITY = 70;

export class Certainty {
  // attempt(act): does what may fail.
  constructor(layers, attempt) {
    this.layers = layers;
    this.toggleCard = card("open-certainty", "certainty");
    const opacity = element("opacity");
    opacity.addEventListener("input", () => change({ uncertainty: Number(opacity.value) }));
    element("overlay").addEventListener("change", () => this.toggle());
    element("sample-before").addEventListener("click", () => this.leaf(-1));
    element("sample-after").addEventListener("click", () => this.leaf(1));
    onChange((changed) => {
      if (changed.has("uncertainty")) this.#tell();
      if (changed.has("documents") || !state.documents) return;
      if (changed.has("sample")) attempt(() => this.draw());
    });
  }

  // What the source has of this; the button goes where there is nothing.
  offer({ made: document, uncertainty, legend }) {
    this.seeds = seedsOf(document);
    this.offered = this.seeds.length > 1 || Boolean(uncertainty);
    element("open-certainty").hidden = !this.offered;
    if (!this.offered) this.toggleCard(false);
    element("samples").hidden = this.seeds.length < 2;
    element("overlaying").hidden = !uncertainty;
    if (!this.seeds.includes(state.sample)) change({ sample: null });
    if (!uncertainty) change({ uncertainty: 0 });
    if (legend) this.#legend(legend);
    this.layers.set(this.layers.uncertainty, uncertainty, { fade: true });
    this.layers.set(this.layers.top, null); // until it is drawn
    this.#tell();
  }

  toggle(on = state.uncertainty === 0) {
    if (state.documents?.uncertainty) change({ uncertainty: on ? USUAL_OPACITY : 0 });
  }

  // The next sample, or the one before.
  leaf(by) {
    if (!this.seeds || this.seeds.length < 2) return;
    const place = this.seeds.indexOf(state.sample ?? this.seeds[0]) + by;
    const seed = this.seeds[(place + this.seeds.length) % this.seeds.length];
    change({ sample: seed === this.seeds[0] ? null : seed });
  }

  // Puts the sample on the super-resolved layer.
  async draw() {
    const { documents, sample, source } = state;
    const overtaken = () => state.documents !== documents || state.sample !== sample;
    const document = await sampleOf(source, documents.made, sample).catch((error) => {
      if (!overtaken()) throw error;
    });
    if (overtaken()) return;
    change({ drawn: document });
    this.layers.set(this.layers.top, isMade(document) ? document : null, { fade: true });
    this.#tell();
  }

  #tell() {
    const on = state.uncertainty > 0;
    if (on && !element("overlay").checked) this.toggleCard(true); // no colours without a legend
    element("overlay").checked = on;
    element("opacity").disabled = !on;
    if (on) element("opacity").value = state.uncertainty;
    this.layers.uncertainty.setVisible(on);
    this.layers.uncertainty.setOpacity(state.uncertainty / 100);
    const seed = state.drawn?.overzoom.noise_seed ?? state.sample ?? this.seeds?.[0] ?? 0;
    const place = (this.seeds?.indexOf(seed) ?? 0) + 1;
    element("sample").textContent = `${place} of ${this.seeds?.length ?? 1} (seed ${seed})`;
  }

  #legend({ title, unit, minimum, maximum, colours }) {
    const share = (value) => `${(100 * (value - minimum)) / (maximum - minimum)}%`;
    const stops = colours.map(([value, colour]) => `${colour} ${share(value)}`);
    element("legend-bar").style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    element("legend-title").textContent = title;
    element("legend-ends").replaceChildren(
      made("span", {}, `${minimum}`), made("span", {}, unit), made("span", {}, `${maximum}`),
    );
  }
}
