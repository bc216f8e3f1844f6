// The few things that every part does with the document.

export const element = (id) => document.getElementById(id);

// A new element: attributes by name, listeners as onclick, children as elements or texts.
export function made(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list") node[name] = value;
    else if (value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// Writes a text where it is another: what is read aloud is read once.
export function write(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text;
}

export const calm = matchMedia("(prefers-reduced-motion: reduce)");

// What the browser remembers for this page; a browser may refuse to.
export const memory = {
  get(name) {
    try {
      return localStorage.getItem(`overzoom ${name}`);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`overzoom ${name}`, value);
    } catch { /* then the choice lasts as long as the page */ }
  },
};
