// Distances and areas on the WGS 84 ellipsoid; places are [longitude, latitude] in degrees.

const RADIUS = 6_378_137; // of the equator, metres
const FLATTENING = 1 / 298.257223563;
const POLAR = RADIUS * (1 - FLATTENING);
const SQUARED = FLATTENING * (2 - FLATTENING); // of the eccentricity
const ECCENTRICITY = Math.sqrt(SQUARED);
const ROUNDS = 100; // Vincenty's iteration needs that many only between opposite ends of the Earth
const STEP = 0.01; // degrees of latitude, a kilometre: the longest piece of an edge

const radians = (degrees) => (degrees * Math.PI) / 180;

// The length of a path in metres.
export function length(path) {
  return path.slice(1).reduce((sum, place, before) => sum + distance(path[before], place), 0);
}

// Metres between two places, by T. Vincenty's inverse formula (Survey Review 23, 1975).
export function distance(from, to) {
  const apart = radians(to[0] - from[0]);
  const [u1, u2] = [from, to].map(([, latitude]) =>
    Math.atan((1 - FLATTENING) * Math.tan(radians(latitude))));
  const [sin1, cos1, sin2, cos2] = [Math.sin(u1), Math.cos(u1), Math.sin(u2), Math.cos(u2)];
  let lambda = apart;
  for (let round = 0; round < ROUNDS; round += 1) {
    const [sin, cos] = [Math.sin(lambda), Math.cos(lambda)];
    const sinSigma = Math.hypot(cos2 * sin, cos1 * sin2 - sin1 * cos2 * cos);
    if (sinSigma === 0) return 0;
    const cosSigma = sin1 * sin2 + cos1 * cos2 * cos;
    const sigma = Math.atan2(sinSigma, cosSigma);
    const sinAlpha = (cos1 * cos2 * sin) / sinSigma;
    const cosAlpha2 = 1 - sinAlpha ** 2;
    const middle = cosAlpha2 === 0 ? 0 : cosSigma - (2 * sin1 * sin2) / cosAlpha2;
    const c = (FLATTENING / 16) * cosAlpha2 * (4 + FLATTENING * (4 - 3 * cosAlpha2));
    const before = lambda;
    lambda = apart + (1 - c) * FLATTENING * sinAlpha
      * (sigma + c * sinSigma * (middle + c * cosSigma * (2 * middle ** 2 - 1)));
    if (Math.abs(lambda - before) < 1e-13) {
      return along(sigma, sinSigma, cosSigma, middle, cosAlpha2);
    }
  }
  return Math.PI * POLAR; // opposite ends: it does not converge there
}

function along(sigma, sinSigma, cosSigma, middle, cosAlpha2) {
  const u = (cosAlpha2 * (RADIUS ** 2 - POLAR ** 2)) / POLAR ** 2;
  const a = 1 + (u / 16384) * (4096 + u * (u * (320 - 175 * u) - 768));
  const b = (u / 1024) * (256 + u * (u * (74 - 47 * u) - 128));
  const turn = b * sinSigma * (middle + (b / 4) * (cosSigma * (2 * middle ** 2 - 1)
    - (b / 6) * middle * (4 * sinSigma ** 2 - 3) * (4 * middle ** 2 - 3)));
  return POLAR * a * (sigma - turn);
}

// Square metres inside a ring of places, which closes by itself (on the
// ellipsoid), edges straight in degrees, cut into short pieces.
export function area(ring) {
  let sum = 0;
  ring.forEach((from, place) => {
    const to = ring[(place + 1) % ring.length];
    const pieces = Math.max(1, Math.ceil(Math.abs(to[1] - from[1]) / STEP));
    const turn = radians(to[0] - from[0]) / pieces;
    for (let piece = 0; piece < pieces; piece += 1) {
      sum += turn * height(from[1] + ((piece + 0.5) / pieces) * (to[1] - from[1]));
    }
  });
  return Math.abs(sum);
}

// The area between the equator and a latitude, a radian of longitude: square metres.
function height(latitude) {
  const sine = Math.sin(radians(latitude));
  const e = ECCENTRICITY;
  return (POLAR ** 2 / 2)
    * (sine / (1 - SQUARED * sine ** 2) + Math.atanh(e * sine) / e);
}
