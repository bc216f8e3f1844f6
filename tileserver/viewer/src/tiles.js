// Loading tiles: what is seen before what a side covers, nearest to the centre first, until it is
// there. What is there at once comes before what the server has to draw, of which one tile is under
// way from the start: it need not wait for all that lies under it.
//
// A tile that leaves the view is given up, so that the server can drop its work, and asked for
// again when it comes back. A busy server (503, 429) is asked again after Retry-After, ever later,
// as long as the tile is looked at; one that does not answer, when it answers again.

import { getCenter } from "ol/extent.js";
import { getUid } from "ol/util.js";
import { isAway, lost } from "./connection.js";
import { show } from "./messages.js";

const SOCKETS = 6; // what browsers open to one host without HTTP/2
const STREAMS = 24;
const FIRST_WAIT_SECONDS = 0.5;
const LONGEST_WAIT_SECONDS = 8;
const LONGEST_ASKED_SECONDS = 60;
const BUSY = [429, 502, 503, 504];

export class Tiles {
  // told(tiles): after anything has changed. part(id): between which shares of the map's width the
  // source of this id is seen.
  constructor(map, told, part = () => [0, 1]) {
    this.jobs = new Map(); // by URL: two layers may want the same tile
    this.loaded = new WeakMap(); // by source: its tiles that are there
    Object.assign(this, { told, part });
    this.soon = false; // whether a pump is to come
    this.wanted = {};
    this.centre = [0, 0];
    this.extent = [0, 0, 0, 0];
    map.on("postrender", ({ frameState }) => {
      if (frameState) this.#look(frameState);
    });
  }

  // The tiles that are looked at and not there.
  get missing() {
    return [...this.jobs.values()].filter((job) => this.#isWanted(job));
  }

  // How many tiles of a source an extent has at a zoom, and how many of them are there.
  progress(source, extent, zoom) {
    const there = this.loaded.get(source);
    let [drawn, total] = [0, 0];
    source.getTileGrid().forEachTileCoord(extent, zoom, (coordinates) => {
      total += 1;
      drawn += there?.has(`${coordinates}`) ? 1 : 0;
    });
    return { drawn, total };
  }

  // For OpenLayers: url(z, x, y) -> address; slow: whether the server has to draw them; paint: what
  // is made of a picture before it is shown.
  loader(source, url, slow, paint = (picture) => picture) {
    const id = getUid(source);
    const there = new Set();
    this.loaded.set(source, there);
    return (z, x, y, { signal }) => {
      const where = url(z, x, y);
      const user = { source: id, tile: `${source.getKey()}/${z},${x},${y}` };
      const extent = source.getTileGrid().getTileCoordExtent([z, x, y]);
      const job = this.jobs.get(where) ?? this.#add(where, extent, paint);
      there.delete(`${[z, x, y]}`);
      job.promise.then(() => there.add(`${[z, x, y]}`), () => {}); // given up
      job.slow = slow(z);
      job.users.add(user);
      signal.addEventListener("abort", () => {
        job.users.delete(user);
        if (job.users.size === 0) this.#drop(job, new Error("not needed any more"));
      });
      this.#pumpSoon();
      return job.promise;
    };
  }

  // Starts what may be started.
  pump() {
    if (isAway()) return;
    const running = [...this.jobs.values()].filter((job) => job.controller);
    const most = sockets();
    let slow = running.filter((job) => job.slow).length;
    let free = most - running.length;
    for (const job of this.#ready(slow === 0)) {
      if (free === 0) break;
      if (job.slow && slow >= most - 1) continue; // one stays free for what is there at once
      free -= 1;
      slow += job.slow ? 1 : 0;
      this.#fetch(job);
    }
    this.told(this);
  }

  // Once all that a frame asks for is known: what comes first is chosen among all of it.
  #pumpSoon() {
    if (this.soon) return;
    this.soon = true;
    queueMicrotask(() => {
      this.soon = false;
      this.pump();
    });
  }

  // drawing: whether what the server has to draw comes first, once.
  #ready(drawing) {
    const now = performance.now();
    const ready = [...this.jobs.values()]
      .filter((job) => !job.controller && job.from <= now && this.#isWanted(job))
      .map((job) => ({ job, covered: this.#isCovered(job), distance: this.#distance(job) }))
      .sort((a, b) => a.covered - b.covered || a.job.slow - b.job.slow || a.distance - b.distance);
    const first = drawing ? ready.findIndex(({ job, covered }) => job.slow && !covered) : -1;
    if (first > 0) ready.unshift(...ready.splice(first, 1));
    return ready.map(({ job }) => job);
  }

  #look(frameState) {
    this.wanted = frameState.wantedTiles;
    this.centre = frameState.viewState.center;
    this.extent = frameState.extent;
    const [animating, interacting] = frameState.viewHints;
    if (animating || interacting || this.jobs.size === 0) return;
    for (const job of this.jobs.values()) if (!this.#isWanted(job)) job.controller?.abort();
    this.pump();
  }

  #isWanted(job) {
    return [...job.users].some(({ source, tile }) => this.wanted[source]?.[tile]);
  }

  // Whether another side lies over all of it.
  #isCovered({ extent, users }) {
    const [west, , east] = this.extent;
    const share = (x) => (x - west) / (east - west);
    const [left, right] = [Math.max(share(extent[0]), 0), Math.min(share(extent[2]), 1)];
    return [...users].every(({ source }) => {
      const [from, to] = this.part(source);
      return Math.min(right, to) <= Math.max(left, from);
    });
  }

  #distance({ extent }) {
    const [x, y] = getCenter(extent);
    return Math.hypot(x - this.centre[0], y - this.centre[1]);
  }

  #add(url, extent, paint) {
    const job = {
      url, extent, paint, slow: false, users: new Set(), tries: 0, from: 0, controller: null,
    };
    job.promise = new Promise((resolve, reject) => Object.assign(job, { resolve, reject }));
    this.jobs.set(url, job);
    return job;
  }

  #drop(job, error) {
    this.#forget(job);
    job.controller?.abort();
    job.reject(error);
  }

  #finish(job, picture) {
    this.#forget(job);
    job.resolve(picture);
  }

  #forget(job) {
    if (this.jobs.get(job.url) === job) this.jobs.delete(job.url); // not a later one of this URL
  }

  async #fetch(job) {
    const controller = (job.controller = new AbortController());
    try {
      const answer = await fetch(job.url, { signal: controller.signal });
      if (isBusy(answer)) this.#later(job, answer);
      else if (answer.ok) await this.#decode(job, await answer.blob());
      else this.#refused(job, answer.status);
    } catch {
      if (!controller.signal.aborted) lost().then(() => this.pump());
    }
    job.controller = null;
    this.pump();
  }

  async #decode(job, blob) {
    const picture = await createImageBitmap(blob).catch(() => null);
    if (!picture) show("tiles", "Some tiles cannot be shown: they are not valid images.");
    this.#finish(job, picture && await job.paint(picture));
  }

  #refused(job, status) {
    if (status === 401) show("key", "These tiles need an API key: open the page as /?key=...");
    else if (status !== 404) show("tiles", `Some tiles cannot be shown: the server answers ${status}.`);
    this.#finish(job, null);
  }

  #later(job, answer) {
    const asked = Number(answer.headers.get("Retry-After")) || 0;
    const growing = Math.min(FIRST_WAIT_SECONDS * 2 ** job.tries, LONGEST_WAIT_SECONDS);
    const seconds = Math.max(growing, Math.min(asked, LONGEST_ASKED_SECONDS));
    const wait = 1000 * seconds * (1 + Math.random() / 4); // not all at once
    job.tries += 1;
    job.from = performance.now() + wait;
    setTimeout(() => this.pump(), wait + 1);
  }
}

// Also a tile that is only interpolated because there was no time to draw it.
export function isBusy({ status, headers }) {
  return BUSY.includes(status) || headers.has("X-Overzoom-Fallback");
}

// How many requests are under way at a time.
function sockets() {
  const [page] = performance.getEntriesByType("navigation");
  return /^h[23]/.test(page?.nextHopProtocol) ? STREAMS : SOCKETS;
}
