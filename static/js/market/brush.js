// The overview of the day: the spot, and over it the part shown in the charts.

import { inkOf, uPlot } from "../charts/plotting.js";
import { RangePair } from "../charts/range_pair.js";

const COLOURS = { line: "var(--text-faint)", wash: "rgb(from var(--text-faint) r g b / 0.16)" };
const LEAST_DRAG = 6;

export class MarketBrush {
  #element;
  #plot;
  #pair;
  #shared;
  #chart = null;
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
    new ResizeObserver(() => this.#fit()).observe(this.#plot);
    document.addEventListener("theme.changed", () => this.#redraw());
  }

  draw(series) {
    this.#series = series;
    const { times } = series;
    const spot = times.map((_, index) => (index < series.stored ? series.body.spot[index] : null));
    if (series.length > series.stored) spot[spot.length - 1] = series.facts.spot;
    const data = [times, spot];
    if (this.#chart) this.#chart.setData(data);
    else this.#create(data);
    const [first, last] = this.#shared.window().bounds;
    this.#pair.bound(first, last, series.step, 5 * series.step);
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

  #create(data) {
    const ink = inkOf(this.#plot, COLOURS);
    this.#plot.replaceChildren();
    this.#chart = new uPlot(
      {
        width: this.#plot.clientWidth,
        height: this.#plot.clientHeight,
        padding: [4, 0, 4, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { range: () => this.#shared.window().bounds } },
        axes: [{ show: false }, { show: false }],
        series: [{}, { stroke: ink.line, fill: ink.wash, width: 1.25, spanGaps: false, points: { show: false } }],
      },
      data,
      this.#plot,
    );
  }

  #redraw() {
    if (!this.#chart) return;
    this.#chart.destroy();
    this.#chart = null;
    this.draw(this.#series);
  }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.#plot;
    if (this.#chart && width > 0) this.#chart.setSize({ width, height });
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
