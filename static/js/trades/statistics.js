// The page of statistics: the curve of realised profit, by day.

import { number } from "../base/format.js";
import { inkOf, plainAxis, spread, Times, timeAxis, uPlot, valueAxis } from "../charts/plotting.js";
import { WalkedFigure } from "../charts/walked_figure.js";

const COLOURS = {
  accent: "var(--accent)",
  faint: "var(--text-faint)",
  line: "var(--line)",
  panel: "var(--panel-solid)",
};

class ProfitCurve extends WalkedFigure {
  #chart = null;
  #curve;
  #at;
  #times = new Times("UTC");

  constructor(figure, curve) {
    super(figure);
    this.#curve = curve;
    // Days have no zone: noon keeps them apart.
    this.#at = curve.at.map((day) => Date.parse(`${day}T12:00:00Z`) / 1000);
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
    if (!this.count) {
      this.say("Nothing was realised in these days");
      return;
    }
    const ink = inkOf(this.plot, COLOURS);
    const axis = plainAxis(this.plot, ink);
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
            width: 1.75,
            paths: uPlot.paths.stepped({ align: 1 }),
            points: { show: this.count < 3 },
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
      [this.#at, this.#curve.cumulative],
      this.plot,
    );
    this.adopt("Realised profit, summed by day");
    this.read();
    this.tell();
  }

  fit() {
    if (!this.#chart) return;
    const { clientWidth: width, clientHeight: height } = this.plot;
    if (width > 0) this.#chart.setSize({ width, height });
  }

  spoken(index) {
    return `${this.#curve.at[index]}: ${number(this.#curve.cumulative[index])}`;
  }

  write(index) {
    if (index < 0) return;
    this.part("value").textContent = number(this.#curve.cumulative[index]);
    this.part("at").textContent = `${this.#curve.at[index]}, ${number(this.#curve.net[index])} that day`;
  }

  point(index) {
    if (index === null) {
      this.#chart.setCursor({ left: -10, top: -10 });
      return;
    }
    const left = this.#chart.valToPos(this.#at[index], "x");
    const top = this.#chart.valToPos(this.#curve.cumulative[index], "y");
    this.#chart.setCursor({ left, top });
  }

  table() {
    const rows = this.#curve.at.map((day, index) => [
      day,
      number(this.#curve.net[index]),
      number(this.#curve.cumulative[index]),
    ]);
    return {
      caption: "Realised profit, newest first",
      headings: ["Day", "That day", "Summed"],
      rows: rows.reverse(),
    };
  }
}

const figure = document.querySelector('[data-chart="profit"]');
if (figure) new ProfitCurve(figure, JSON.parse(document.querySelector("[data-curve]").dataset.curve));
