// The TileJSON documents of a source: what its layers are made of, and what they are.

import { parametersOf } from "./rendering.js";
import { load, Refused } from "./server.js";

// PNG: WebP's losses are seen as a change of levels from zoom to zoom.
const TILE_FORMAT = "png";
const SIDE_PX = devicePixelRatio >= 2 ? 512 : 256;

// By how many zooms the screen's pixels are finer than the view's.
export const FINER = SIDE_PX / 256 - 1;

// rendering: {bands, stretch, colours}, or nothing where its tiles have colours of their own.
export function tilejson(source, parameters = {}, rendering = {}, path = "") {
  const query = new URLSearchParams({ tile_format: TILE_FORMAT, tilesize: SIDE_PX, ...parameters });
  for (const [name, value] of parametersOf(rendering)) query.append(name, value);
  return load(`${encodeURIComponent(source)}/${path}tilejson.json?${query}`);
}

// Whether pixels past native are synthesised; those of classes are native ones, repeated.
export function isMade({ overzoom }) {
  return overzoom?.synthesised !== false;
}

// The samples that can be asked for; there are none where nothing is synthesised.
export function seedsOf({ maxzoom, overzoom }) {
  return maxzoom > overzoom.native_maxzoom ? overzoom.noise_seeds ?? [] : [];
}

// A sample as the other side of a comparison; holds its noise seed.
export const SAMPLE = /^sample-(-?\d+)$/;

// What people call a sample: they count from 1.
export const numberOf = (made, noiseSeed) => seedsOf(made).indexOf(noiseSeed) + 1;

// The document of one sample; the first of them is the plain one.
export async function sampleOf(source, { made, rendering }, noiseSeed) {
  const first = made.overzoom.noise_seeds?.[0] ?? null;
  return noiseSeed === null || noiseSeed === first
    ? made
    : tilejson(source, { noise_seed: noiseSeed }, rendering);
}

// Whether the picture without synthesised texture can be asked for, and is another one.
export function hasMean({ maxzoom, overzoom }) {
  return maxzoom > overzoom.native_maxzoom && overzoom.detail > 0;
}

// The document of the best estimate alone.
export function meanOf(source, { rendering }) {
  return tilejson(source, { detail: 0 }, rendering);
}

// All documents of a source, shown by a rendering; interpolated is null where nothing is synthesised. Throws where the
// server refuses or is away.
export async function documentsOf(source, rendering) {
  const made = await tilejson(source, {}, rendering);
  const { reference, native_maxzoom: native } = made.overzoom;
  const synthesised = isMade(made) && made.maxzoom > native;
  const [interpolated, trueDetail, uncertainty, legend] = await Promise.all([
    isMade(made) ? tilejson(source, { mode: "interpolated" }, rendering) : null,
    reference ? nativeOf(reference, rendering).catch(refused) : null,
    synthesised ? tilejson(source, {}, {}, "uncertainty/").catch(absent) : null,
    synthesised ? load(`${encodeURIComponent(source)}/uncertainty/legend.json`).catch(absent) : null,
  ]);
  return { made, interpolated, reference: trueDetail, uncertainty, legend, rendering };
}

// What a source shows without synthesised detail.
async function nativeOf(source, rendering) {
  const made = await tilejson(source, {}, rendering);
  return isMade(made) ? tilejson(source, { mode: "interpolated" }, rendering) : made;
}

// The reference is not what one came for: it is left out also while it is away.
function refused(error) {
  if (error instanceof Refused) return null;
  throw error;
}

// A document that the server does not have, or not for us, is left out.
function absent(error) {
  if (error instanceof Refused && error.status < 500) return null;
  throw error;
}
