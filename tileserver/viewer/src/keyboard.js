// Everything by keyboard: what key does what, and the list of it.

import { element, made, memory } from "./elements.js";
import { opened } from "./dialogs.js";

// keys: [[key, what it does, act, released]], act(event) on press.
export class Keyboard {
  constructor(keys) {
    this.keys = new Map(keys.flatMap(([names, , act, released]) =>
      names.map((name) => [name, { act, released }])));
    this.#list(keys);
    const letters = element("letters");
    letters.checked = memory.get("letters") !== "off";
    letters.addEventListener("change", () => memory.set("letters", letters.checked ? "on" : "off"));
    document.addEventListener("keydown", (event) => this.#pressed(event));
    document.addEventListener("keyup", ({ key }) => this.keys.get(key)?.released?.());
    addEventListener("blur", () => { // a key that is let go elsewhere is not heard
      for (const { released } of this.keys.values()) released?.();
    });
  }

  #pressed(event) {
    const found = this.keys.get(event.key);
    if (!found || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]") || isTaken(event)) return;
    if (event.key.length === 1 && !element("letters").checked) return;
    if (event.key === "Enter" && event.target !== element("map")) return;
    if (found.act(event) !== false) event.preventDefault();
  }

  #list(keys) {
    const shown = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
    element("key-list").replaceChildren(...keys.flatMap(([names, meaning]) => [
      made("dt", {}, ...names.filter((name) => !isCapital(name)).map((name) => made("kbd", {}, shown[name] ?? name))),
      made("dd", {}, meaning),
    ]));
  }
}

const isCapital = (name) => /^[A-Z]$/.test(name);

export const help = () => opened("help");

// Whether a field, or a choice by arrows, needs the key itself. A field of a dialog that was just
// closed is still the target until the next frame: it needs none.
function isTaken({ key, target }) {
  const fields = "select, textarea, input:not([type=radio], [type=checkbox])";
  const needing = key.startsWith("Arrow") ? `${fields}, [type=radio]` : fields;
  return target.closest?.(needing)?.checkVisibility() ?? false;
}
