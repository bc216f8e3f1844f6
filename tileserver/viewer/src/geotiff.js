// A picture on web mercator as a GeoTIFF: RGBA, 8 bits, deflated (GeoTIFF 1.1, OGC 19-008r4).

const [ASCII, SHORT, LONG, DOUBLE] = [2, 3, 4, 12];
const BYTES = { [ASCII]: 1, [SHORT]: 2, [LONG]: 4, [DOUBLE]: 8 };
const ENTRY_BYTES = 12;
const DEFLATE = 8;
const UNASSOCIATED_ALPHA = 2;
// Version 1.1.0, and three keys: projected, pixels are areas, EPSG:3857.
const GEO_KEYS = [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 3857];

// pixels: ImageData; west, north: of its upper left corner, and resolution: of a pixel, in metres
// of the grid. description: what it shows.
export async function geotiff(pixels, { west, north, resolution, description }) {
  const { width, height } = pixels;
  const data = await deflated(pixels.data);
  const tags = [
    [256, LONG, [width]], [257, LONG, [height]], [258, SHORT, [8, 8, 8, 8]],
    [259, SHORT, [DEFLATE]], [262, SHORT, [2]], [270, ASCII, bytesOf(description)],
    [273, LONG, [0]], [277, SHORT, [4]], [278, LONG, [height]], [279, LONG, [data.length]],
    [284, SHORT, [1]], [305, ASCII, bytesOf("Overzoom")], [338, SHORT, [UNASSOCIATED_ALPHA]],
    [33550, DOUBLE, [resolution, resolution, 0]], [33922, DOUBLE, [0, 0, 0, west, north, 0]],
    [34735, SHORT, GEO_KEYS],
  ];
  const strip = 8 + 2 + ENTRY_BYTES * tags.length + 4;
  let free = strip;
  const laid = tags.map(([tag, type, values]) => {
    const bytes = BYTES[type] * values.length;
    const at = bytes > 4 ? free : null; // else they lie in the entry
    if (bytes > 4) free += bytes + (bytes % 2);
    return { tag, type, values, at };
  });
  laid.find(({ tag }) => tag === 273).values = [free];
  const head = new DataView(new ArrayBuffer(free));
  head.setUint32(0, 0x49492a00); // "II", 42: little-endian
  head.setUint32(4, 8, true);
  head.setUint16(8, tags.length, true);
  laid.forEach((entry, place) => lay(head, 10 + ENTRY_BYTES * place, entry));
  return new Blob([head, data], { type: "image/tiff" });
}

function lay(head, place, { tag, type, values, at }) {
  head.setUint16(place, tag, true);
  head.setUint16(place + 2, type, true);
  head.setUint32(place + 4, values.length, true);
  if (at !== null) head.setUint32(place + 8, at, true);
  const writers = { [ASCII]: "setUint8", [SHORT]: "setUint16", [LONG]: "setUint32", [DOUBLE]: "setFloat64" };
  values.forEach((value, number) =>
    head[writers[type]]((at ?? place + 8) + BYTES[type] * number, value, true));
}

const bytesOf = (text) => [...new TextEncoder().encode(text), 0];

async function deflated(data) {
  const stream = new Blob([data]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
