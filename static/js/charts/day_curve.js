// A chart of one value a day, as a line or as bars, with what else is known of the day beside it.

import { inkOf, plainAxis, spread, Times, timeAxis, uPlot, valueAxis } from "./plotting.js";
import { WalkedFigure } from "./walked_figure.js";

const COLOURS = {
  accent: "var(--accent)",
  faint: "var(--text-faint)",
  line: "var(--line)",
  panel: "var(--panel-solid)",
};

export class DayCurve extends WalkedFigure {
  #chart = null;
  #options;
  #days = [];
  #columns = [];
  #at = [];
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
  show(days, columns) {
    this.#days = days;
    this.#columns = columns;
    // Days have no zone: noon keeps them apart.
    this.#at = days.map((day) => Date.parse(`${day}T12:00:00Z`) / 1000);
    this.redraw();
  }

  get count() {
    return this.#at.length;
  }

  get isDrawn() {
    return this.#chart !== null;
  }

  redraw() {
    this.#chart?.destroy();
    this.#chart = null;
    this.cursor = null;
    if (!this.count) {
      this.part("value").textContent = "";
      this.part("at").textContent = "";
      this.say(this.#options.empty);
      return;
    }
    const ink = inkOf(this.plot, COLOURS);
    const axis = plainAxis(this.plot, ink);
    const paths = this.#options.bars
      ? uPlot.paths.bars({ size: [0.7, 24] })
      : uPlot.paths.stepped({ align: 1 });
    this.plot.replaceChildren();
    this.#chart = new uPlot(
      {
        width: this.plot.clientWidth,
        height: this.plot.clientHeight,
        padding: [6, 2, 0, 0],
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
        legend: { show: false },
        cursor: {
          y: false,
          drag: { x: false, y: false },
          points: { size: 8, fill: ink.panel, stroke: ink.accent, width: 2 },
        },
        scales: { y: { range: (_, low, high) => spread(Math.min(low, 0), Math.max(high, 0)) } },
        axes: [timeAxis(axis, this.#times), valueAxis(axis)],
        series: [
          {},
          {
            stroke: ink.accent,
            fill: this.#options.bars ? ink.accent : undefined,
            width: this.#options.bars ? 0 : 1.75,
            paths,
            points: { show: !this.#options.bars && this.count < 3 },
          },
        ],
        hooks: {
          setCursor: [
            (chart) => {
              this.cursor = chart.cursor.idx ?? null;
              this.read();
            },
          ],
        },
      },
      [this.#at, this.#columns[0].values],
      this.plot,
    );
    this.adopt(this.#options.label);
    this.read();
    this.tell();
  }

  fit() {
    if (!this.#chart) return;
    const { clientWidth: width, clientHeight: height } = this.plot;
    if (width > 0) this.#chart.setSize({ width, height });
  }

  spoken(index) {
    const [drawn] = this.#columns;
    return `${this.#days[index]}: ${drawn.write(drawn.values[index])}`;
  }

  write(index) {
    if (index < 0) return;
    const [drawn, ...others] = this.#columns;
    const beside = others
      .filter((column) => column.note)
      .map((column) => `${column.write(column.values[index])} ${column.note}`);
    this.part("value").textContent = drawn.write(drawn.values[index]);
    this.part("at").textContent = [this.#days[index], ...beside].join(", ");
  }

  point(index) {
    if (index === null) {
      this.#chart.setCursor({ left: -10, top: -10 });
      return;
    }
    const left = this.#chart.valToPos(this.#at[index], "x");
    const top = this.#chart.valToPos(this.#columns[0].values[index], "y");
    this.#chart.setCursor({ left, top });
  }

  table() {
    const [drawn, ...others] = this.#columns;
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
