// Whether the server answers at all. While it does not, nobody asks but this: now and then.

import { hide, show } from "./messages.js";
import { load } from "./server.js";

const HEALTH = new URL("../healthz", import.meta.url).href; // pages lie at several depths
const FIRST_SECONDS = 2;
const LAST_SECONDS = 15;

let away = null; // resolves when the server answers again
let back = null;
let timer = 0;

export const isAway = () => away !== null;

// The server did not answer: says so, and resolves when it does again.
export function lost() {
  if (!away) {
    away = new Promise((resolve) => { back = resolve; });
    show("away", "The server does not answer. Missing tiles load when it is back.", {
      name: "Retry",
      act: ask,
    });
    later(FIRST_SECONDS);
  }
  return away;
}

function later(seconds) {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    if (!(await ask())) later(Math.min(2 * seconds, LAST_SECONDS));
  }, 1000 * seconds);
}

async function ask() {
  try {
    await load(HEALTH, { cache: "no-store" });
  } catch {
    return false;
  }
  clearTimeout(timer);
  hide("away");
  away = null;
  back?.();
  return true;
}
