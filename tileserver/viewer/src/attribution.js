// Whose imagery it is: texts and links to the web, whatever else the markup brings along.

import { element, made } from "./elements.js";

const UNSEEN = ["script", "style", "template"];

// An attribution's nodes; nothing of it is run or loaded.
export function linked(markup) {
  return nodes(new DOMParser().parseFromString(markup, "text/html").body);
}

function nodes(parent) {
  return [...parent.childNodes].flatMap((node) => {
    if (node.nodeType === Node.TEXT_NODE) return [node.data];
    if (node.nodeType !== Node.ELEMENT_NODE || UNSEEN.includes(node.localName)) return [];
    const inside = nodes(node);
    const leads = node.localName === "a" && ["http:", "https:"].includes(node.protocol);
    return leads
      ? [made("a", { href: node.href, target: "_blank", rel: "noopener" }, ...inside)]
      : inside;
  });
}

// Shows those that there are, each once; no panel where there are none.
export function attribute(...markups) {
  const all = [...new Set(markups.filter(Boolean))].map(linked);
  element("attribution").hidden = all.length === 0;
  element("attribution").replaceChildren(
    ...all.flatMap((content, place) => (place ? [" · ", ...content] : content)),
  );
}
