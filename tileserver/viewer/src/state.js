// What is shown: one object, and whoever wants to know when it changes.

const listeners = [];

export const state = {
  source: null,
  mode: "swipe", // single | swipe | flicker
  other: "interpolated", // interpolated | reference | mean | sample-N
  at: 50, // the divider, in percent of the map's width
  uncertainty: 0, // opacity of the overlay in percent; 0: none
  bands: null, // numbers of the bands that are shown, "4,3,2"; null: the first
  stretch: null, // values shown as black and white, "0,3000"; null: the source's range
  colours: null, // name of a colour map of one band
  basemap: false, // whether another service's map lies under the imagery
  sample: null, // noise_seed of the sample; null: the first
  peeking: false, // flicker: whether the other side is up
  documents: null, // TileJSON documents of the source
  drawn: null, // the one of the sample that is shown
};

// listener(changed): names of what has changed.
export function onChange(listener) {
  listeners.push(listener);
}

export function change(values) {
  const changed = new Set(Object.keys(values).filter((name) => state[name] !== values[name]));
  if (changed.size === 0) return;
  Object.assign(state, values);
  for (const listener of listeners) listener(changed);
}
