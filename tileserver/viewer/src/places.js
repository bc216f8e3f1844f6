// The dialog of places: go to coordinates or a tile, copy those of the map's centre.

import { digits } from "./address.js";
import { decimal, parsePlace, sexagesimal, tileOf } from "./coordinates.js";
import { copy, opened } from "./dialogs.js";
import { element, made, write } from "./elements.js";

const UNREADABLE = "That is not a place: try 44.956, -110.6436 or 20/202015/377380.";

export class Places {
  // here(): {zoom, latitude, longitude} of the view. go({zoom, latitude, longitude}): goes there;
  // the zoom may be null. It says whether the source has that ground.
  constructor(here, go) {
    Object.assign(this, { here, go });
    element("place").addEventListener("click", () => this.open());
    element("go").addEventListener("click", () => this.#go());
    element("wanted").addEventListener("keydown", ({ key }) => key === "Enter" && this.#go());
  }

  open() {
    const place = this.here();
    const rows = [
      ["Decimal degrees", decimal(place, digits(place.zoom))],
      ["Degrees, minutes, seconds", sexagesimal(place)],
      ["Tile, zoom/column/row", tileOf(place)],
    ];
    element("centre").replaceChildren(...rows.map(([name, text]) => made("p", { className: "copying" },
      made("input", { readOnly: true, value: text, ariaLabel: name }),
      made("button", { type: "button", onclick: () => copy(text, name) }, "Copy"))));
    write("unplaced", "");
    opened("places");
    element("wanted").select();
  }

  #go() {
    const place = parsePlace(element("wanted").value);
    if (!place) write("unplaced", UNREADABLE);
    else if (this.go(place)) element("places").close();
    else write("unplaced", "This source has no imagery there.");
  }
}
