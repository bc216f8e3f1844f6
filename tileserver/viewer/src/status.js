// How busy the server is and how quick: asked for while the card is open, and only then.

import { card } from "./dialogs.js";
import { element, made } from "./elements.js";
import { load } from "./server.js";

const SECONDS = 2;
let timer = 0;

export function listen() {
  return card("open-status", "status", (shown) => {
    clearTimeout(timer);
    if (shown) refresh();
  });
}

async function refresh() {
  try {
    tell(rows(await load("status.json", { cache: "no-store" })));
  } catch (error) {
    tell([["Status unavailable", error.message]]);
  }
  if (!element("status").hidden) timer = setTimeout(refresh, 1000 * SECONDS);
}

function tell(figures) {
  element("figures").replaceChildren(
    ...figures.flatMap(([name, value]) => [made("dt", {}, name), made("dd", {}, value)]),
  );
}

const percent = (share) => `${Math.round(100 * share)} %`;

function rows(status) {
  const tiers = Object.entries(status.hits ?? {}).map(([tier, share]) => [
    `– from ${tier}`,
    percent(share),
  ]);
  return [
    ["Tiles waiting", `${status.waiting_tiles}`],
    ["Found in the cache", status.hit_ratio === null ? "–" : percent(status.hit_ratio)],
    ...tiers,
    ["Time per new tile", status.tile_milliseconds === null ? "–" : time(status.tile_milliseconds)],
    ["Uptime", duration(status.uptime_seconds)],
    ["Checkpoint", status.checkpoint],
    ["Version", status.version],
  ];
}

function time(milliseconds) {
  if (milliseconds < 1000) return `${milliseconds} ms`;
  return `${Number((milliseconds / 1000).toPrecision(2))} s`;
}

function duration(seconds) {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${seconds} s`;
}
