// Bands, stretch and colour map: how the source's values become colours, in the server.

import { card } from "./dialogs.js";
import { element, made } from "./elements.js";
import { state } from "./state.js";

export const PLAIN = { bands: null, stretch: null, colours: null };
const COLOUR_MAPS = [
  "gray", "viridis", "cividis", "magma", "inferno", "turbo", "terrain", "coolwarm", "spectral",
  "rdylgn", "ylgn", "blues", "reds",
]; // of the server's two hundred, those that serve most; an address may name any
const CHANNELS = ["Red", "Green", "Blue"];

// The query parameters of a rendering, as titiler names them.
export function parametersOf({ bands, stretch, colours }) {
  return [
    ...(bands ? bands.split(",").map((number) => ["bidx", number]) : []),
    ...(stretch ? [["rescale", stretch]] : []),
    ...(colours ? [["colormap_name", colours]] : []),
  ];
}

export const renderingOf = ({ bands, stretch, colours }) => ({ bands, stretch, colours });

export class Rendering {
  // draw(rendering): shows the source so.
  constructor(draw) {
    this.draw = draw;
    this.toggleCard = card("open-rendering", "rendering");
    for (const id of ["band-count", "colours", "stretch-low", "stretch-high"]) {
      element(id).addEventListener("change", () => this.#chosen());
    }
    element("rendering-reset").addEventListener("click", () => this.draw(PLAIN));
  }

  // What the source has of this; entry: of the list of sources. other: whether the card has
  // anything else to show.
  offer(entry, other) {
    const plain = entry.colour_table; // shown in the colours of its table
    element("rendering-values").hidden = plain;
    element("open-rendering").hidden = plain && !other;
    if (plain && !other) this.toggleCard(false);
    if (plain) return;
    const same = this.entry?.id === entry.id;
    this.entry = entry;
    const shown = state.bands?.split(",").map(Number) ?? defaults(entry);
    element("band-count").replaceChildren(
      ...(entry.bands >= CHANNELS.length ? [made("option", { value: 3 }, "three (colours)")] : []),
      made("option", { value: 1 }, "one"),
    );
    element("band-count").value = shown.length;
    element("band-count-line").hidden = entry.bands < 2;
    this.#offerBands(shown);
    this.#offerColours(shown.length === 1);
    const stretch = state.stretch?.split(",") ?? ["", ""];
    ["low", "high"].forEach((end, place) => {
      const field = element(`stretch-${end}`);
      field.placeholder = short(entry.range[place]);
      const typing = same && document.activeElement === field;
      if (!typing) field.value = stretch[place]; // what is being typed stays
    });
    element("rendering-reset").disabled = parametersOf(state).length === 0;
  }

  #offerBands(shown) {
    const { band_numbers: numbers, band_colours: says, bands } = this.entry;
    element("band-choice").hidden = bands < 2;
    element("band-choice").replaceChildren(...shown.map((chosen, channel) => {
      const name = shown.length === 1 ? "Band" : CHANNELS[channel];
      const options = numbers.map((number, place) => made("option", { value: number },
        says[place] ? `${number} ${says[place]}` : `${number}`));
      const select = made("select", { onchange: () => this.#chosen(), ariaLabel: name }, ...options);
      select.value = chosen;
      return made("label", {}, made("span", {}, name), select);
    }));
  }

  #offerColours(one) {
    element("colours-line").hidden = !one;
    const names = [...COLOUR_MAPS];
    if (state.colours && !names.includes(state.colours)) names.push(state.colours);
    element("colours").replaceChildren(
      made("option", { value: "" }, "none"),
      ...names.map((name) => made("option", { value: name }, name)),
    );
    element("colours").value = state.colours ?? "";
  }

  #chosen() {
    const count = Number(element("band-count").value);
    const selects = [...element("band-choice").querySelectorAll("select")];
    let bands = selects.map(({ value }) => Number(value));
    if (bands.length !== count) bands = count === 1 ? bands.slice(0, 1) : defaults(this.entry);
    const [low, high] = ["low", "high"].map((end) => {
      const { value, placeholder } = element(`stretch-${end}`);
      return value === "" ? Number(placeholder) : Number(value);
    });
    const stretched = ["low", "high"].some((end) => element(`stretch-${end}`).value !== "");
    element("stretch-wrong").hidden = !stretched || low < high;
    if (stretched && low >= high) return;
    const usual = `${bands}` === `${defaults(this.entry)}`;
    this.draw({
      bands: usual ? null : bands.join(","),
      stretch: stretched ? `${low},${high}` : null,
      colours: count === 1 ? element("colours").value || null : null,
    });
  }
}

// What the server shows of a source where nothing is chosen.
function defaults({ band_numbers: numbers }) {
  return numbers.slice(0, numbers.length >= CHANNELS.length ? CHANNELS.length : 1);
}

const short = (value) => `${Number(value.toPrecision(6))}`;
