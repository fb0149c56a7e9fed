// The overview of the day: the spot, and over it the part shown in the charts.

import { RangePair } from "../charts/range_pair.js";

const LEAST_DRAG = 6;

export class MarketBrush {
  #element;
  #plot;
  #pair;
  #shared;
  #series = null;
  #drag = null;

  /** `shared`: times, window, onShow and onReset, as the charts have them. */
  constructor(element, shared) {
    this.#element = element;
    this.#shared = shared;
    this.#plot = element.querySelector('[data-part="brush-plot"]');
    this.#pair = new RangePair(element.querySelector('[data-part="brush-pair"]'), {
      gap: 1,
      text: (at) => (this.#series ? shared.times.minute(at) : ""),
      onInput: (from, to) => shared.onShow(from, to),
    });
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    element.addEventListener("pointerup", () => this.#up());
    element.addEventListener("pointercancel", () => this.#up());
    element.addEventListener("dblclick", () => shared.onReset());
  }

  draw(series) {
    this.#series = series;
    const { times } = series;
    const spot = times.map((_, index) => (index < series.stored ? series.body.spot[index] : null));
    if (series.length > series.stored) spot[spot.length - 1] = series.facts.spot;
    const [first, last] = this.#shared.window().bounds;
    this.#pair.bound(first, last, series.step, 5 * series.step);
    this.#trace(times.map((at) => (at - first) / (last - first)), spot);
    this.show();
  }

  /** Move the window to its current place. */
  show() {
    if (!this.#series) return;
    const [first, last] = this.#shared.window().bounds;
    const [from, to] = this.#shared.window().points;
    this.#pair.set(from, to);
    this.#element.style.setProperty("--from", String((from - first) / (last - first)));
    this.#element.style.setProperty("--to", String((to - first) / (last - first)));
    this.#element.toggleAttribute("data-whole", this.#shared.window().isWhole);
  }

  /** Draw the spot over the day, as wide and as high as one; a gap ends a line. */
  #trace(across, spot) {
    const known = spot.filter((value) => value !== null);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const runs = [[]];
    for (const [index, value] of spot.entries()) {
      const down = high > low ? (high - value) / (high - low) : 0.5;
      if (value === null) runs.push([]);
      else runs.at(-1).push([across[index].toFixed(4), down.toFixed(3)]);
    }
    const drawn = runs.filter((run) => run.length);
    const lines = drawn.map((run) => `M${run.map((point) => point.join(" ")).join("L")}`);
    const areas = drawn.map(([[left]], index) => `${lines[index]}V1H${left}Z`);
    this.#plot.querySelector('[data-part="brush-line"]').setAttribute("d", lines.join(""));
    this.#plot.querySelector('[data-part="brush-area"]').setAttribute("d", areas.join(""));
  }

  // --- Dragging the window moves it; dragging beside it draws a new one ---
  #at(event) {
    const { left, width } = this.#plot.getBoundingClientRect();
    const [first, last] = this.#shared.window().bounds;
    return first + ((event.clientX - left) / width) * (last - first);
  }

  #down(event) {
    if (!this.#series || event.target.matches("input") || event.button) return;
    const at = this.#at(event);
    const [from, to] = this.#shared.window().points;
    const moves = !this.#shared.window().isWhole && at >= from && at <= to;
    this.#drag = { x: event.clientX, at, from, to, moves };
    this.#element.setPointerCapture(event.pointerId);
  }

  #move(event) {
    if (!this.#drag || Math.abs(event.clientX - this.#drag.x) < LEAST_DRAG) return;
    const { at, from, to, moves } = this.#drag;
    const now = this.#at(event);
    if (moves) this.#shared.onShow(from + now - at, to + now - at);
    else this.#shared.onShow(Math.min(at, now), Math.max(at, now));
  }

  #up() {
    this.#drag = null;
  }
}
