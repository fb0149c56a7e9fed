// All charts of the page that share a time axis: one window, one cross-hair, one choice of sides.

import { GreekChart } from "./greek_chart.js";
import { MarketBrush } from "./brush.js";
import { TimeWindow } from "../charts/time_window.js";

export class MarketCharts {
  #charts;
  #brush;
  #window = new TimeWindow();
  #series = null;
  #side;
  #shared;
  #at = null;
  #zooming = false;

  /**
   * @param {HTMLElement} page
   * @param {{times: object, side: string, onWindow: (window: TimeWindow) => void}} options
   *   `onWindow` is called when the reader chose another part of the day
   */
  constructor(page, { times, side, onWindow }) {
    this.#side = side;
    const show = (change) => {
      change();
      onWindow(this.#window);
      this.#zoom();
    };
    this.#shared = {
      times,
      window: () => this.#window,
      onShow: (from, to) => show(() => this.#window.show(from, to)),
      onReset: () => show(() => this.#window.reset()),
      onPoint: (index) => this.#point(index),
      onRead: (share) => this.#readAt(share),
    };
    this.#charts = [...page.querySelectorAll("[data-greek].greek-chart")].map(
      (figure) => new GreekChart(figure, this.#shared),
    );
    this.#brush = new MarketBrush(page.querySelector('[data-part="brush"]'), this.#shared);
    page.querySelector('[data-part="greeks"]').dataset.side = side;
    this.page = page;
  }

  get window() {
    return this.#window;
  }

  set times(times) {
    this.#shared.times = times;
  }

  set side(side) {
    this.#side = side;
    this.page.querySelector('[data-part="greeks"]').dataset.side = side;
    if (this.#series) this.draw(this.#series);
  }

  draw(series) {
    this.#series = series;
    const { times } = series;
    this.#window.bound(times[0] ?? series.opening, times.at(-1) ?? series.opening, series.step);
    for (const chart of this.#charts) chart.draw(series, this.#side);
    if (times.length) this.#brush.draw(series);
  }

  fail(message) {
    for (const chart of this.#charts) chart.fail(message);
  }

  /** Redraw the window: once a frame, however fast fingers move. */
  #zoom() {
    if (this.#zooming) return;
    this.#zooming = true;
    requestAnimationFrame(() => {
      this.#zooming = false;
      for (const chart of this.#charts) chart.zoom();
      this.#brush.show();
    });
  }

  zoom() {
    this.#zoom();
  }

  /** Move the cross-hair of all charts. */
  #point(index) {
    if (this.#at === index) return;
    this.#at = index;
    for (const chart of this.#charts) {
      chart.cursor = index;
      chart.read();
    }
  }

  /** A finger reads values at `share` of the plot's width. */
  #readAt(share) {
    const [from, to] = this.#window.range;
    const at = from + share * (to - from);
    const { times } = this.#series;
    let nearest = 0;
    for (const [index, time] of times.entries()) {
      if (Math.abs(time - at) < Math.abs(times[nearest] - at)) nearest = index;
    }
    this.#charts.find((chart) => chart.isDrawn)?.point(nearest);
  }
}
