// The zoom control: a rung a zoom, and a line where the imagery ends and synthesis begins.

import { element, made } from "./elements.js";
import { times } from "./ground.js";

const BELOW = 3; // rungs shown before the one where the imagery ends

export class ZoomLadder {
  // to(zoom): goes there.
  constructor(to) {
    this.to = to;
    element("zoom-in").addEventListener("click", () => to(this.zoom + 1));
    element("zoom-out").addEventListener("click", () => to(this.zoom - 1));
  }

  tell({ zoom, native, least, most, sizes, synthesised = true }) {
    Object.assign(this, { zoom, sizes, synthesised });
    element("zoom-in").disabled = zoom >= most;
    element("zoom-out").disabled = zoom <= least;
    const lowest = Math.max(least, native - BELOW);
    const size = `${sizes.imagery} ${sizes.pixel(0)}`;
    const signature = `${zoom} ${native} ${lowest} ${most} ${size} ${synthesised}`;
    if (this.signature === signature) return;
    this.signature = signature;
    const held = document.activeElement?.dataset.zoom;
    const rungs = [];
    for (let rung = most; rung >= lowest; rung -= 1) rungs.push(this.#rung(rung, native));
    if (zoom < lowest) rungs.push(this.#rung(zoom, native));
    element("rungs").replaceChildren(...rungs);
    const [list, current] = [element("rungs"), element("rungs").querySelector("[aria-current]")];
    if (current) list.scrollTop = current.offsetTop - (list.clientHeight - current.offsetHeight) / 2;
    if (held) element("rungs").querySelector(`[data-zoom="${held}"]`)?.focus();
  }

  #rung(rung, native) {
    const past = rung > native;
    const scale = times(this.sizes.ratio(rung));
    const full = rung === this.sizes.full;
    const kind = past ? (this.synthesised ? "made" : "real") : rung === native ? "native" : "real";
    const unseen = (text) => made("span", { className: "unseen" }, text);
    const how = this.synthesised ? "synthesised" : "enlarged";
    const said = past ? [unseen(full ? ` full resolution, ${how} ` : ` ${how} `), scale]
      : full ? ["full resolution"]
      : rung === native ? [unseen(" imagery "), scale] : [unseen(" imagery")];
    const button = made(
      "button",
      { type: "button", className: `rung ${kind}`, onclick: () => this.to(rung) },
      made("span", { className: "zoom" }, unseen("Zoom "), `${rung}`),
      made("span", { className: "scale" }, ...said),
    );
    button.dataset.zoom = rung;
    if (rung === this.zoom) button.setAttribute("aria-current", "true");
    return made("li", {}, button);
  }
}
