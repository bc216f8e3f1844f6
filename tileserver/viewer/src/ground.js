// Sizes of pixels on the ground in the middle of a source: the imagery's own, and a zoom's.

// The sizes that a TileJSON says of its zooms.
export function sizesOf({ overzoom }) {
  const { native_maxzoom: native, full_resolution_zoom: full } = overzoom;
  const { imagery_pixel_metres: imagery, native_pixel_metres: least } = overzoom;
  const pixel = (zoom) => least * 2 ** (native - zoom);
  return { full, imagery, pixel, ratio: (zoom) => imagery / pixel(zoom) };
}

// 4.5, 2, 0.8: one digit where it is not whole.
export function times(ratio) {
  return `×${Number(ratio.toFixed(1))}`;
}

// 1.06 m, 0.13 m, 0.026 m, 30 m, 2.5 km
export function metres(size) {
  if (size >= 1000) return `${Number((size / 1000).toPrecision(3))} km`;
  if (size >= 10) return `${Number(size.toPrecision(3))} m`;
  return size >= 0.1 ? `${size.toFixed(2)} m` : `${Number(size.toPrecision(2))} m`;
}
