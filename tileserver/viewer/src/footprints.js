// Where the sources lie: their extents on a small map in degrees, to point at and to pick.

const [WIDTH, HEIGHT] = [352, 150];
const MARGIN_PX = 16;
const LEAST_PX = 8; // a smaller footprint is drawn as a square of this size
const LINES = 6; // of longitude at most
const STEPS = [60, 30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005];
const LEAST_SPAN = 0.002; // degrees: what is nearer together than 200 m is one dot

const svg = (tag, attributes, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

// A picture of sources with an extent; picked(id): one was clicked. shown: the one on the map.
export function footprints(sources, shown, picked) {
  const placed = sources.filter(({ extent }) => extent);
  if (placed.length === 0) return null;
  const view = fit(placed.map(({ extent }) => extent));
  const label = `Where ${placed.length} source${placed.length === 1 ? " lies" : "s lie"}`;
  const picture = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, class: "footprints",
  }, ...graticule(view));
  const large = ({ extent: [west, south, east, north] }) => (east - west) * (north - south);
  for (const source of [...placed].sort((a, b) => large(b) - large(a))) {
    const box = svg("rect", { ...rectangle(view, source.extent), rx: 1.5 },
      svg("title", {}, source.title ?? source.id));
    box.dataset.footprint = source.id;
    if (source.id === shown) box.classList.add("current");
    if (source.tilejson !== null) box.addEventListener("click", () => picked(source.id));
    picture.append(box);
  }
  return picture;
}

// How degrees become pixels: all bounds inside, as wide as they are long in the middle.
function fit(all) {
  const least = (place) => Math.min(...all.map((bounds) => bounds[place]));
  const most = (place) => Math.max(...all.map((bounds) => bounds[place]));
  const [west, south, east, north] = [least(0), least(1), most(2), most(3)];
  const [lon, lat] = [(west + east) / 2, (south + north) / 2];
  const squeeze = Math.max(Math.cos((lat * Math.PI) / 180), 0.1);
  const scale = Math.min(
    (WIDTH - 2 * MARGIN_PX) / Math.max((east - west) * squeeze, LEAST_SPAN),
    (HEIGHT - 2 * MARGIN_PX) / Math.max(north - south, LEAST_SPAN),
  );
  return {
    x: (degrees) => WIDTH / 2 + (degrees - lon) * squeeze * scale,
    y: (degrees) => HEIGHT / 2 - (degrees - lat) * scale,
    west: lon - WIDTH / 2 / squeeze / scale, east: lon + WIDTH / 2 / squeeze / scale,
    south: lat - HEIGHT / 2 / scale, north: lat + HEIGHT / 2 / scale,
  };
}

function rectangle({ x, y }, [west, south, east, north]) {
  const [width, height] = [x(east) - x(west), y(south) - y(north)];
  const [wide, high] = [Math.max(width, LEAST_PX), Math.max(height, LEAST_PX)];
  return {
    x: (x(west) - (wide - width) / 2).toFixed(1), y: (y(north) - (high - height) / 2).toFixed(1),
    width: wide.toFixed(1), height: high.toFixed(1),
  };
}

function* graticule({ x, y, west, south, east, north }) {
  const step = STEPS.findLast((one) => (east - west) / one <= LINES) ?? STEPS[0];
  for (const degrees of multiples(step, west, east)) {
    yield svg("path", { d: `M${x(degrees).toFixed(1)} 0V${HEIGHT}` });
    yield text(x(degrees) + 3, HEIGHT - 4, degrees, step, ["E", "W"]);
  }
  for (const degrees of multiples(step, Math.max(south, -90), Math.min(north, 90))) {
    yield svg("path", { d: `M0 ${y(degrees).toFixed(1)}H${WIDTH}` });
    yield text(3, y(degrees) - 3, degrees, step, ["N", "S"]);
  }
}

function* multiples(step, from, to) {
  for (let number = Math.ceil(from / step); number * step <= to; number += 1) yield number * step;
}

function text(x, y, degrees, step, [positive, negative]) {
  const places = Math.max(0, -Math.floor(Math.log10(step)));
  const side = degrees < 0 ? negative : positive;
  return svg("text", { x: x.toFixed(1), y: y.toFixed(1) },
    `${Math.abs(degrees).toFixed(step >= 1 ? 0 : places)}°${side}`);
}
