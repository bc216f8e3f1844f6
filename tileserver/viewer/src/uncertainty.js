// How unsure the detail is, laid over the map: the overlay, its button, its key and its card are
// on and off together.

import { card } from "./dialogs.js";
import { element, made, write } from "./elements.js";
import { change, onChange, state } from "./state.js";

const USUAL_OPACITY = 70;
const [CLEAR, OPAQUE] = [0.15, 0.6]; // shares of the greatest value: from none to all of a colour
const BYTE = 255;

export class Uncertainty {
  constructor(layers) {
    this.layers = layers;
    this.toggleCard = card("open-uncertainty", "uncertainty", (shown) => this.toggle(shown));
    const opacity = element("opacity");
    opacity.addEventListener("input", () => change({ uncertainty: Number(opacity.value) }));
    onChange((changed) => changed.has("uncertainty") && this.#tell());
  }

  // What the source has of this; the button goes where there is nothing.
  offer({ uncertainty, legend }) {
    const there = Boolean(uncertainty && legend);
    element("open-uncertainty").hidden = !there;
    if (!there) change({ uncertainty: 0 });
    else tellLegend(legend);
    const paint = there ? painter(legend) : undefined;
    this.layers.set(this.layers.uncertainty, there ? uncertainty : null, { fade: true, paint });
    this.#tell();
  }

  toggle(on = state.uncertainty === 0) {
    if (on === state.uncertainty > 0) return;
    if (state.documents?.uncertainty) change({ uncertainty: on ? USUAL_OPACITY : 0 });
  }

  // For the zoom that is shown.
  tell({ zoom, native }) {
    element("uncertainty-none").hidden = zoom > native;
    write("uncertainty-none", "All that is seen here is the original imagery: nothing is "
      + `synthesised, and there is nothing to be unsure of. Detail begins at zoom ${native + 1}.`);
  }

  #tell() {
    const on = state.uncertainty > 0;
    this.toggleCard(on);
    if (on) element("opacity").value = state.uncertainty;
    this.layers.uncertainty.setVisible(on);
    this.layers.uncertainty.setOpacity(state.uncertainty / 100);
  }
}

// How opaque a value's colour is, 0 to 1: what is sure hides nothing.
function opacityOf(value, { minimum, maximum }) {
  const share = (value - minimum) / (maximum - minimum);
  return Math.min(Math.max((share - CLEAR) / (OPAQUE - CLEAR), 0), 1);
}

// Makes a tile's colours as opaque as what they mean is unsure.
function painter(legend) {
  const opacities = new Map(legend.colours.map(([value, colour]) => [
    Number.parseInt(colour.slice(1), 16), Math.round(BYTE * opacityOf(value, legend)),
  ]));
  return (picture) => {
    const { width, height } = picture;
    const context = new OffscreenCanvas(width, height)
      .getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0);
    const pixels = context.getImageData(0, 0, width, height);
    const { data } = pixels;
    for (let at = 0; at < data.length; at += 4) {
      const opacity = opacities.get((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
      data[at + 3] = Math.min(data[at + 3], opacity ?? BYTE);
    }
    return createImageBitmap(pixels);
  };
}

function tellLegend(legend) {
  const { minimum, maximum, colours, imagery_units_per_level: size } = legend;
  const share = (value) => `${(100 * (value - minimum)) / (maximum - minimum)}%`;
  const opacity = (value) => Math.round(BYTE * opacityOf(value, legend)).toString(16);
  const stops = colours.map(([value, colour]) =>
    `${colour}${opacity(value).padStart(2, "0")} ${share(value)}`);
  element("legend-bar").style.backgroundImage = `linear-gradient(to right, ${stops.join(", ")})`;
  const end = (value) => `±${Number((value * size).toPrecision(3))}`;
  element("legend-ends").replaceChildren(
    made("span", {}, end(minimum)), made("span", {}, "less sure →"), made("span", {}, end(maximum)),
  );
}
