// The samples: what the detail may be as well, to leaf through.

import { card } from "./dialogs.js";
import { isMade, numberOf, sampleOf, seedsOf } from "./documents.js";
import { element } from "./elements.js";
import { change, onChange, state } from "./state.js";

export class Samples {
  // attempt(act): does what may fail.
  constructor(layers, attempt) {
    this.layers = layers;
    this.seeds = [];
    this.toggleCard = card("open-samples", "samples");
    element("sample-before").addEventListener("click", () => this.leaf(-1));
    element("sample-after").addEventListener("click", () => this.leaf(1));
    onChange((changed) => {
      if (changed.has("documents") || !state.documents) return;
      if (changed.has("sample")) attempt(() => this.draw());
    });
  }

  // What the source has of this; the button goes where there is only one.
  offer({ made }) {
    this.seeds = seedsOf(made);
    const several = this.seeds.length > 1;
    element("open-samples").hidden = !several;
    if (!several) this.toggleCard(false);
    if (!this.seeds.includes(state.sample)) change({ sample: null });
    this.layers.set(this.layers.top, null); // until it is drawn
    this.#tell();
  }

  // The next sample, or the one before.
  leaf(by) {
    if (this.seeds.length < 2) return;
    const place = this.seeds.indexOf(state.sample ?? this.seeds[0]) + by;
    const seed = this.seeds[(place + this.seeds.length) % this.seeds.length];
    change({ sample: seed === this.seeds[0] ? null : seed });
  }

  // Puts the sample on the super-resolved layer.
  async draw() {
    const { documents, sample, source } = state;
    const overtaken = () => state.documents !== documents || state.sample !== sample;
    const document = await sampleOf(source, documents, sample).catch((error) => {
      if (!overtaken()) throw error;
    });
    if (overtaken()) return;
    change({ drawn: document });
    this.layers.set(this.layers.top, isMade(document) ? document : null, { fade: true });
    this.#tell();
  }

  #tell() {
    const seed = state.drawn?.overzoom.noise_seed ?? state.sample ?? this.seeds[0];
    const number = state.documents ? numberOf(state.documents.made, seed) : 1;
    element("sample").textContent = `Sample ${number} of ${this.seeds.length}`;
  }
}
