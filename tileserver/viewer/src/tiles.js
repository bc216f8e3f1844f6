// Loading tiles: what is looked at, nearest to the centre first, until it is there.
//
// A tile that leaves the view is given up, so that the server can drop its work, and asked for
// again when it comes back. A busy server (503, 429) is asked again after Retry-After, ever later,
// as long as the tile is looked at; one that does not answer, when it answers again.

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
  // told(tiles): after anything has changed.
  constructor(map, told) {
    this.jobs = new Map(); // by URL: two layers may want the same tile
    this.told = told;
    this.wanted = {};
    this.centre = [0, 0];
    map.on("postrender", ({ frameState }) => {
      if (frameState) this.#look(frameState);
    });
  }

  // The tiles that are looked at and not there.
  get missing() {
    return [...this.jobs.values()].filter((job) => this.#isWanted(job));
  }

  // For OpenLayers: url(z, x, y) -> address; slow: whether the server has to draw them.
  loader(source, url, slow) {
    return (z, x, y, { signal }) => {
      const where = url(z, x, y);
      const grid = source.getTileGrid();
      const user = { source: getUid(source), tile: `${source.getKey()}/${z},${x},${y}` };
      const job = this.jobs.get(where) ?? this.#add(where, grid.getTileCoordCenter([z, x, y]));
      job.slow = slow(z);
      job.users.add(user);
      signal.addEventListener("abort", () => {
        job.users.delete(user);
        if (job.users.size === 0) this.#drop(job, new Error("not needed any more"));
      });
      this.pump();
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
    for (const job of this.#ready()) {
      if (free === 0) break;
      if (job.slow && slow >= most - 1) continue; // one stays free for what is there at once
      free -= 1;
      slow += job.slow ? 1 : 0;
      this.#fetch(job);
    }
    this.told(this);
  }

  #ready() {
    const now = performance.now();
    return [...this.jobs.values()]
      .filter((job) => !job.controller && job.from <= now && this.#isWanted(job))
      .sort((a, b) => a.slow - b.slow || this.#distance(a) - this.#distance(b));
  }

  #look(frameState) {
    this.wanted = frameState.wantedTiles;
    this.centre = frameState.viewState.center;
    const [animating, interacting] = frameState.viewHints;
    if (animating || interacting || this.jobs.size === 0) return;
    for (const job of this.jobs.values()) if (!this.#isWanted(job)) job.controller?.abort();
    this.pump();
  }

  #isWanted(job) {
    return [...job.users].some(({ source, tile }) => this.wanted[source]?.[tile]);
  }

  #distance({ centre }) {
    return Math.hypot(centre[0] - this.centre[0], centre[1] - this.centre[1]);
  }

  #add(url, centre) {
    const job = { url, centre, slow: false, users: new Set(), tries: 0, from: 0, controller: null };
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
    if (!picture) show("tiles", "Some tiles cannot be shown: they are no pictures.");
    this.#finish(job, picture);
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
function isBusy({ status, headers }) {
  return BUSY.includes(status) || headers.has("X-Overzoom-Fallback");
}

// How many requests are under way at a time.
function sockets() {
  const [page] = performance.getEntriesByType("navigation");
  return /^h[23]/.test(page?.nextHopProtocol) ? STREAMS : SOCKETS;
}
