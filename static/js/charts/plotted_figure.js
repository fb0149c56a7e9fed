// A figure with one drawing by uPlot. Classes that extend it say what is drawn, and how.

import { uPlot } from "./library.js";
import { inkOf, plainAxis } from "./plotting.js";
import { WalkedFigure } from "./walked_figure.js";

export class PlottedFigure extends WalkedFigure {
  /** The drawn columns: x, then the series; null: nothing to draw. */
  columns = null;
  chart = null;

  // --- For subclasses to define ---
  /** The style sheet's colours by name. */
  get colours() {
    return {};
  }

  /** What the plot is called. */
  get label() {
    return "";
  }

  /** Half of the room that a single place takes, in the units of x. */
  get halfPlace() {
    return 0.5;
  }

  /** uPlot's options, apart from what all drawings share. */
  options(_ink, _axis) {
    return {};
  }

  // --- Shared ---
  get isDrawn() {
    return this.chart !== null;
  }

  get count() {
    return this.columns?.[0].length ?? 0;
  }

  /** Draw these columns, when the plot nears the view. */
  show(columns) {
    this.columns = columns;
    this.adopt(this.label);
    this.read();
    this.tell();
    this.update();
  }

  /** Draw nothing, and say why. */
  clear(message) {
    this.#forget();
    this.columns = null;
    this.cursor = null;
    this.say(message);
    this.part("value").textContent = "";
    this.part("at").textContent = "";
  }

  paint() {
    if (!this.columns) return;
    if (this.chart) this.chart.setData(this.columns);
    else this.#create();
    this.#fitOne();
  }

  /** uPlot asks for no range of a single place, and makes one of years. */
  #fitOne() {
    const [[only, ...others]] = this.columns;
    if (others.length) return;
    this.chart.setScale("x", { min: only - this.halfPlace, max: only + this.halfPlace });
  }

  redraw() {
    this.#forget();
    if (this.columns) this.update();
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.plot;
    if (this.chart && width > 0) this.chart.setSize({ width, height });
  }

  point(index) {
    const left = index === null ? -10 : this.chart.valToPos(this.columns[0][index], "x");
    this.chart.setCursor({ left, top: index === null ? -10 : this.heightAt(index) });
  }

  /** Where the cursor stands above the plot's foot, in pixels from the top. */
  heightAt(_index) {
    return 0;
  }

  #forget() {
    this.chart?.destroy();
    this.chart = null;
  }

  #create() {
    const ink = inkOf(this.plot, this.colours);
    const { cursor, hooks, ...options } = this.options(ink, plainAxis(this.plot, ink));
    this.plot.replaceChildren();
    this.chart = new uPlot(
      {
        width: this.plot.clientWidth,
        height: this.plot.clientHeight,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, ...cursor },
        hooks: {
          ...hooks,
          setCursor: [
            (chart) => {
              this.cursor = chart.cursor.idx ?? null;
              this.read();
            },
          ],
        },
        ...options,
      },
      this.columns,
      this.plot,
    );
  }
}
