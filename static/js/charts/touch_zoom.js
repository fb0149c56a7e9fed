// Touch on a chart: two fingers zoom and pan, one pans a zoomed chart or reads values, two taps show all.

const MOVED = 8;
const DOUBLE_TAP = 350;

export class TouchZoom {
  #element;
  #actions;
  #fingers = new Map();
  #start = null;
  #tappedAt = 0;

  /**
   * @param {HTMLElement} element
   * @param {{range: () => [number, number], isWhole: () => boolean, onShow: (from: number, to: number) => void,
   *   onReset: () => void, onRead: (left: number) => void}} actions
   */
  constructor(element, actions) {
    this.#element = element;
    this.#actions = actions;
    const on = (name, act) => element.addEventListener(name, act);
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", (event) => this.#lift(event));
  }

  #left(event) {
    return event.clientX - this.#element.getBoundingClientRect().left;
  }

  #down(event) {
    if (event.pointerType !== "touch") return;
    this.#fingers.set(event.pointerId, this.#left(event));
    this.#begin();
  }

  /** The points under the fingers when their number changed stay under them. */
  #begin() {
    const [from, to] = this.#actions.range();
    const width = this.#element.clientWidth || 1;
    const lefts = [...this.#fingers.values()];
    const times = lefts.map((left) => from + (left / width) * (to - from));
    this.#start = { lefts, times, length: to - from, width, moved: false };
  }

  #move(event) {
    if (!this.#fingers.has(event.pointerId)) return;
    this.#fingers.set(event.pointerId, this.#left(event));
    const lefts = [...this.#fingers.values()];
    const { lefts: before, times, length, width } = this.#start;
    if (!this.#start.moved && !lefts.some((left, index) => Math.abs(left - before[index]) > MOVED)) return;
    this.#start.moved = true;
    if (lefts.length === 2) {
      const scale = (times[1] - times[0]) / (lefts[1] - lefts[0] || 1);
      if (scale > 0) this.#show(times[0] - lefts[0] * scale, width * scale);
    } else if (lefts.length === 1) {
      if (this.#actions.isWhole()) this.#actions.onRead(lefts[0]);
      else this.#show(times[0] - (lefts[0] / width) * length, length);
    }
  }

  #show(from, length) {
    this.#actions.onShow(from, from + length);
  }

  #up(event) {
    if (!this.#fingers.has(event.pointerId)) return;
    const tapped = !this.#start.moved && this.#fingers.size === 1;
    this.#lift(event);
    if (!tapped) return;
    if (event.timeStamp - this.#tappedAt < DOUBLE_TAP) this.#actions.onReset();
    this.#tappedAt = event.timeStamp;
  }

  #lift(event) {
    if (this.#fingers.delete(event.pointerId) && this.#fingers.size) this.#begin();
  }
}
