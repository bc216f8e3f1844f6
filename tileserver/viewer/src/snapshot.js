// The map as a picture: what is seen, drawn once more on one canvas, and a strip that says what
// it is.

import { element } from "./elements.js";

const STRIP_PX = 44;
const FONTS = ["600 13px system-ui, sans-serif", "12px system-ui, sans-serif"];
const [INK, PAPER] = ["#1b1b1f", "#ffffff"];

// divider: where the line between two sides stands, 0 to 1; null: nowhere. lines: two texts.
export function snapshot(map, { divider, lines }) {
  map.renderSync();
  const ratio = devicePixelRatio;
  const [width, height] = map.getSize();
  const canvas = new OffscreenCanvas(width * ratio, (height + STRIP_PX) * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.fillStyle = getComputedStyle(element("map")).backgroundColor;
  context.fillRect(0, 0, width, height);
  for (const layer of map.getViewport().querySelectorAll(".ol-layers canvas")) {
    if (layer.width > 0) lay(context, layer, { divider, ratio, size: [width, height] });
  }
  if (divider !== null) {
    context.fillStyle = PAPER;
    context.fillRect(divider * width - 1, 0, 2, height);
  }
  context.fillStyle = PAPER;
  context.fillRect(0, height, width, STRIP_PX);
  context.fillStyle = INK;
  lines.forEach((line, number) => {
    context.font = FONTS[number];
    context.fillText(line, 10, height + 18 + 18 * number, width - 20);
  });
  return canvas.convertToBlob({ type: "image/png" });
}

// A layer's canvas, as the page's style shows it.
function lay(context, layer, { divider, ratio, size: [width, height] }) {
  const parent = layer.parentElement;
  context.save();
  const { filter, clipPath } = getComputedStyle(parent);
  const [, blur] = /^blur\((\d.*)px\)$/.exec(filter) ?? [];
  if (blur) context.filter = `blur(${blur * ratio}px)`; // in pixels of the canvas
  if (divider !== null && clipPath !== "none") {
    context.beginPath();
    context.rect(divider * width, 0, width, height);
    context.clip();
  }
  context.globalAlpha = Number(parent.style.opacity || layer.style.opacity || 1);
  const matrix = /^matrix\(([^)]*)\)$/.exec(layer.style.transform);
  if (matrix) context.transform(...matrix[1].split(",").map(Number));
  else context.scale(width / layer.width, height / layer.height);
  context.drawImage(layer, 0, 0);
  context.restore();
}
