// The page's address, which follows the view. Browsers bound how often a page may change it (Safari
// to 100 times in half a minute), and throw or ignore what is more.

const SOON_MS = 250;

export class AddressBar {
  // text(): what the address is to say; null: nothing yet.
  constructor(text) {
    Object.assign(this, { text, written: "", timer: 0, holds: 0 });
  }

  // Whether the address is the page's own, and not what somebody typed, or went back to.
  get isOwn() {
    return location.hash === this.written;
  }

  write() {
    clearTimeout(this.timer);
    const text = this.text();
    if (text === null || this.holds > 0 || (text === this.written && this.isOwn)) return;
    this.#change("replaceState", text);
  }

  // Once what changes many times a second has come to rest.
  writeSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.write(), SOON_MS);
  }

  // A new entry of the history: Back returns to this one.
  push() {
    this.write();
    if (this.isOwn) this.#change("pushState", this.written);
  }

  // Leaves the address as it is until what it asks for is there, or refused.
  async during(promise) {
    clearTimeout(this.timer);
    this.holds += 1;
    try {
      return await promise;
    } finally {
      this.holds -= 1;
    }
  }

  #change(method, text) {
    try {
      history[method](null, "", text);
      this.written = text;
    } catch {
      // too often: the next change writes it
    }
  }
}
