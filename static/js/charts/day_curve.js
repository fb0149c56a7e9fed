// A chart of one value a day, as a line or as bars, with what else is known of the day beside it.

import { uPlot } from "./library.js";
import { spread, Times, timeAxis, valueAxis } from "./plotting.js";
import { PlottedFigure } from "./plotted_figure.js";

const DAY = 24 * 60 * 60;
const HALF_DAY = DAY / 2;
// Labels are days apart; 30 and 365 stand for a month and a year.
const STEPS = [1, 2, 3, 5, 7, 10, 15, 30, 60, 90, 120, 180, 365, 730, 1825].map((days) => days * DAY);
const COLOURS = {
  accent: "var(--accent)",
  faint: "var(--text-faint)",
  line: "var(--line)",
  panel: "var(--panel-solid)",
};

export class DayCurve extends PlottedFigure {
  #options;
  #days = [];
  #told = [];
  #times = new Times("UTC");

  /**
   * @param {HTMLElement} figure
   * @param {{label: string, caption: string, empty: string, bars?: boolean}} options
   */
  constructor(figure, options) {
    super(figure);
    this.#options = options;
  }

  /**
   * Show these days. The first column is drawn; those with a note are read out beside it, and all are
   * in the table.
   *
   * @param {string[]} days ISO dates, ascending.
   * @param {{heading: string, values: (number|null)[], write: (value: number|null) => string,
   *   note?: string}[]} columns `note` follows the value in the read-out.
   */
  draw(days, columns) {
    this.#days = days;
    this.#told = columns;
    const at = days.map((day) => Date.parse(`${day}T00:00:00Z`) / 1000);
    this.cursor = null;
    if (at.length) this.show([at, columns[0].values]);
    else this.clear(this.#options.empty);
  }

  get label() {
    return this.#options.label;
  }

  get colours() {
    return COLOURS;
  }

  get halfPlace() {
    return HALF_DAY;
  }

  options(ink, axis) {
    const paths = this.#options.bars
      ? uPlot.paths.bars({ size: [0.7, 24] })
      : uPlot.paths.stepped({ align: 1 });
    const air = this.#options.bars ? HALF_DAY : 0;
    return {
      padding: [6, 2, 0, 0],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      cursor: { points: { size: 8, fill: ink.panel, stroke: ink.accent, width: 2 } },
      scales: {
        x: { range: (_, first, last) => (this.count > 1 ? [first - air, last + air] : [first, last]) },
        y: { range: (_, low, high) => spread(Math.min(low, 0), Math.max(high, 0)) },
      },
      axes: [{ ...timeAxis(axis, this.#times), incrs: STEPS }, valueAxis(axis)],
      series: [
        {},
        {
          stroke: ink.accent,
          fill: this.#options.bars ? ink.accent : undefined,
          width: this.#options.bars ? 0 : 1.75,
          paths,
          points: { show: () => !this.#options.bars && this.count < 3 },
        },
      ],
    };
  }

  spoken(index) {
    const [drawn] = this.#told;
    return `${this.#days[index]}: ${drawn.write(drawn.values[index])}`;
  }

  write(index) {
    if (index < 0) return;
    const [drawn, ...others] = this.#told;
    const beside = others
      .filter((column) => column.note)
      .map((column) => `${column.write(column.values[index])} ${column.note}`);
    this.part("value").textContent = drawn.write(drawn.values[index]);
    this.part("at").textContent = [this.#days[index], ...beside].join(", ");
  }

  heightAt(index) {
    return this.chart.valToPos(this.columns[1][index], "y");
  }

  table() {
    const [drawn, ...others] = this.#told;
    const shown = [...others, drawn];
    const rows = this.#days.map((day, index) => [
      day,
      ...shown.map((column) => column.write(column.values[index])),
    ]);
    return {
      caption: this.#options.caption,
      headings: ["Day", ...shown.map((column) => column.heading)],
      rows: rows.reverse(),
    };
  }
}
