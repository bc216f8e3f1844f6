// Zooming by wheel and trackpad: a notch of a wheel is a zoom; a trackpad zooms smoothly with the
// fingers, and settles on a whole zoom when they rest.

const NOTCH_PX = 50; // browsers report 100 to 120 a notch, or lines; a trackpad begins with less
const NOTCH_REST_MS = 60; // what comes sooner is the same notch, of a wheel with fine steps
const SCROLL_PX = 300; // two fingers, a zoom
const PINCH_PX = 69; // 100 ln 2: browsers report a pinch as Ctrl and 100 times its logarithm
const REST_MS = 160;
const SETTLE_MS = 200;
const SHARE = 0.2; // of a zoom: moved less, it goes back to where it was

export class Wheel {
  // views: what steps by whole zooms.
  constructor(map, views) {
    Object.assign(this, { map, views, gesture: null, timer: 0, stepped: -Infinity });
    map.getViewport().addEventListener("wheel", (event) => this.#turned(event), { passive: false });
  }

  #turned(event) {
    const { view } = this.views;
    if (!view.isDef()) return; // nothing is open yet
    event.preventDefault();
    const anchor = this.map.getEventCoordinate(event);
    const notch = !event.ctrlKey && (event.deltaMode !== 0 || Math.abs(event.deltaY) >= NOTCH_PX);
    if (this.gesture || !notch) this.#scroll(event, anchor);
    else if (event.timeStamp - this.stepped > NOTCH_REST_MS) {
      this.stepped = event.timeStamp;
      this.views.by(-Math.sign(event.deltaY), anchor);
    }
  }

  #scroll({ deltaY, deltaMode, ctrlKey }, anchor) {
    const { view } = this.views;
    if (!this.gesture) {
      view.cancelAnimations();
      view.beginInteraction();
      this.gesture = { start: Math.round(view.getZoom()) };
    }
    Object.assign(this.gesture, { anchor });
    const pixels = deltaMode === 0 ? deltaY : deltaY * NOTCH_PX;
    view.adjustZoom(-pixels / (ctrlKey ? PINCH_PX : SCROLL_PX), anchor);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#settle(), REST_MS);
  }

  #settle() {
    const { view } = this.views;
    const { start, anchor } = this.gesture;
    this.gesture = null;
    const moved = view.getZoom() - start;
    const whole = Math.trunc(moved);
    const more = Math.abs(moved - whole) > SHARE ? Math.sign(moved) : 0;
    view.endInteraction(SETTLE_MS, 0, anchor);
    this.views.to(start + whole + more, anchor);
  }
}
