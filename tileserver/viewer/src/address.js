// The view in the page's address: #source/zoom/latitude/longitude?mode=...&at=...

const MODES = ["single", "swipe", "flicker"];
const DEFAULTS = {
  mode: "swipe", other: "interpolated", at: 50, uncertainty: 0, sample: null,
  bands: null, stretch: null, colours: null, basemap: false,
};
const BANDS = /^\d+(,\d+,\d+)?$/;
const STRETCH = /^-?[\d.]+(e[-+]?\d+)?,-?[\d.]+(e[-+]?\d+)?$/i;
const NAME = /^\w{1,64}$/;

// Digits of a degree that tell the pixels of a zoom apart, and one more.
export function digits(zoom) {
  return Math.max(2, Math.ceil(Math.log10((256 * 2 ** zoom) / 360)) + 1);
}

export function written({ zoom, latitude, longitude }, state) {
  const place = [latitude, longitude].map((degrees) => degrees.toFixed(digits(zoom)));
  const rest = new URLSearchParams();
  for (const [name, usual] of Object.entries(DEFAULTS)) {
    if (state[name] !== usual) rest.set(name, state[name]);
  }
  const more = rest.size ? `?${rest}` : "";
  return `#${encodeURIComponent(state.source)}/${zoom}/${place.join("/")}${more}`;
}

// What an address says; view is null where it names no place.
export function read(hash) {
  const [path, query] = hash.slice(1).split("?");
  const [source, ...numbers] = path.split("/");
  const [zoom, latitude, longitude] = numbers.map(Number);
  const whole = [zoom, latitude, longitude].every(Number.isFinite)
    && Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180;
  const rest = new URLSearchParams(query);
  const sample = rest.get("sample");
  const like = (name, form) => (form.test(rest.get(name) ?? "") ? rest.get(name) : DEFAULTS[name]);
  return {
    source: decoded(source),
    view: whole ? { zoom: Math.round(zoom), latitude, longitude } : null,
    settings: {
      mode: MODES.includes(rest.get("mode")) ? rest.get("mode") : DEFAULTS.mode,
      other: rest.get("other") ?? DEFAULTS.other,
      at: percent(rest.get("at"), DEFAULTS.at),
      uncertainty: percent(rest.get("uncertainty"), DEFAULTS.uncertainty),
      bands: like("bands", BANDS),
      stretch: like("stretch", STRETCH),
      colours: like("colours", NAME),
      basemap: rest.get("basemap") === "true",
      sample: /^-?\d+$/.test(sample) ? Number(sample) : DEFAULTS.sample,
    },
  };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function percent(text, otherwise) {
  const value = Number(text ?? NaN);
  return Number.isFinite(value) ? Math.min(Math.max(Math.round(value), 0), 100) : otherwise;
}
