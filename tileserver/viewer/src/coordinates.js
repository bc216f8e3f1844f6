// Places as people write them: decimal degrees, degrees with minutes and seconds, or a tile.

const LIMITS = { latitude: 90, longitude: 180 };
const NUMBER = String.raw`\d+(?:\.\d+)?`;
const ANGLE = new RegExp(
  String.raw`^([NSEW])?\s*([-+−]?)(${NUMBER})\s*[°º]?\s*`
  + String.raw`(?:(${NUMBER})\s*['′’]?\s*)?(?:(${NUMBER})\s*(?:"|″|”|'')?\s*)?([NSEW])?$`,
  "i",
);
const TILE = /^(\d+)\s*\/\s*(\d+)\s*\/\s*(\d+)$/;

// {latitude, longitude, zoom} of a text; zoom is null where it says none. null: no place is in it.
export function parsePlace(text) {
  const trimmed = text.trim();
  return tile(trimmed) ?? pair(trimmed);
}

// "44.95599, -110.64355"
export function decimal({ latitude, longitude }, places) {
  return `${latitude.toFixed(places)}, ${longitude.toFixed(places)}`;
}

// 44°57'21.56"N 110°38'36.78"W, to the hundredth of a second: 30 cm.
export function sexagesimal({ latitude, longitude }) {
  return `${angle(latitude, "N", "S")} ${angle(longitude, "E", "W")}`;
}

// The tile of a zoom that holds a place: "20/202015/377382"
export function tileOf({ latitude, longitude, zoom }) {
  const side = 2 ** zoom;
  const sine = Math.sin((latitude * Math.PI) / 180);
  const x = Math.floor(((longitude + 180) / 360) * side);
  const y = Math.floor((0.5 - Math.atanh(sine) / (2 * Math.PI)) * side);
  return `${zoom}/${x}/${y}`;
}

function tile(text) {
  const numbers = TILE.exec(text)?.slice(1).map(Number);
  if (!numbers) return null;
  const [zoom, x, y] = numbers;
  const side = 2 ** zoom;
  if (zoom > 30 || x >= side || y >= side) return null;
  const down = Math.PI * (1 - (2 * (y + 0.5)) / side);
  return {
    zoom,
    longitude: ((x + 0.5) / side) * 360 - 180,
    latitude: (Math.atan(Math.sinh(down)) * 180) / Math.PI,
  };
}

function pair(text) {
  for (const [first, second] of halves(text)) {
    const [one, other] = [degrees(first), degrees(second)];
    if (!one || !other) continue;
    const turned = one.axis === "longitude" || other.axis === "latitude";
    if (one.axis && one.axis === other.axis) continue;
    const [latitude, longitude] = (turned ? [other, one] : [one, other]).map(({ value }) => value);
    const inside = Math.abs(latitude) <= LIMITS.latitude && Math.abs(longitude) <= LIMITS.longitude;
    return inside ? { latitude, longitude, zoom: null } : null;
  }
  return null;
}

// The two halves of a text, at a comma or semicolon, else at a space, from the middle on, else after N, S, E
// or W.
function* halves(text) {
  const parts = text.split(/\s*[,;]\s*/).filter(Boolean);
  if (parts.length === 2) yield parts;
  if (parts.length !== 1) return;
  const spaces = [...text.matchAll(/\s+/g)].map(({ index }) => index);
  const far = (index) => Math.abs(spaces.indexOf(index) - (spaces.length - 1) / 2);
  for (const index of spaces.toSorted((a, b) => far(a) - far(b))) { // as many numbers on each side
    yield [text.slice(0, index), text.slice(index)];
  }
  const after = /^(.*?[NSEW])(?=\s*[-+\d])(.*)$/i.exec(text);
  if (after) yield after.slice(1);
}

function degrees(text) {
  const [, before, sign, whole, minutes = 0, seconds = 0, behind] = ANGLE.exec(text.trim()) ?? [];
  if (whole === undefined || (before && behind) || minutes >= 60 || seconds >= 60) return null;
  const side = (before ?? behind)?.toUpperCase();
  if (side && sign) return null;
  const value = Number(whole) + Number(minutes) / 60 + Number(seconds) / 3600;
  const axis = side && ("NS".includes(side) ? "latitude" : "longitude");
  return { value: (sign && sign !== "+") || "SW".includes(side || "-") ? -value : value, axis };
}

function angle(value, positive, negative) {
  const hundredths = Math.round(Math.abs(value) * 360_000);
  const [whole, minutes] = [Math.floor(hundredths / 360_000), Math.floor(hundredths / 6000) % 60];
  const seconds = ((hundredths % 6000) / 100).toFixed(2).padStart(5, "0");
  return `${whole}°${String(minutes).padStart(2, "0")}'${seconds}"${value < 0 ? negative : positive}`;
}
