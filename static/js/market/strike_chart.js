// A chart by strike, calls and puts: implied volatility as lines, or open interest as bars.

import { counted, percent, strike as strikeText } from "../base/format.js";
import { uPlot } from "../charts/library.js";
import { axisTexts } from "../charts/axis_texts.js";
import { spread, valueAxis } from "../charts/plotting.js";
import { PlottedFigure } from "../charts/plotted_figure.js";

const SIDES = ["call", "put"];
// Strikes at either end with less than this share of the open interest are left out.
const TAIL = 0.01;
const COLOURS = {
  faint: "var(--text-faint)",
  text: "var(--text-soft)",
  line: "var(--line)",
  panel: "var(--panel-solid)",
  call: "var(--neon-up)",
  put: "var(--neon-down)",
  spot: "var(--accent)",
  pain: "var(--warn)",
};
const WHOLE = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((lead) => lead * 10 ** power)).flat();
const LABEL = { smile: "Implied volatility by strike", open_interest: "Open interest by strike" };

export class StrikeChart extends PlottedFigure {
  #isBars;
  #field;
  #strikes = [];
  #marks = {};
  #ink;

  constructor(figure) {
    super(figure);
    this.#isBars = figure.dataset.strikes === "open_interest";
    this.#field = this.#isBars ? "open_interest" : "iv";
  }

  /** A body of /api/market/chain. */
  draw(chain) {
    this.#marks = { spot: chain.spot, maxPain: chain.max_pain };
    this.#strikes = traded(chain.strikes);
    if (this.#strikes.length < 2) {
      this.clear("No chain yet");
      return;
    }
    this.show([
      this.#strikes.map(({ strike }) => strike),
      ...SIDES.map((side) => this.#strikes.map((row) => row[side]?.[this.#field] ?? null)),
    ]);
  }

  get label() {
    return LABEL[this.figure.dataset.strikes];
  }

  get colours() {
    return COLOURS;
  }

  /** Without a cursor the at-the-money strike is read out. */
  get latest() {
    const { spot } = this.#marks;
    if (spot === null || spot === undefined) return this.count - 1;
    const apart = this.#strikes.map(({ strike }) => Math.abs(strike - spot));
    return apart.indexOf(Math.min(...apart));
  }

  #text(index, side) {
    const value = this.#strikes[index][side]?.[this.#field] ?? null;
    return (this.#isBars ? counted(value) : percent(value, 2)) ?? "no value";
  }

  write(index) {
    if (index < 0) return;
    this.part("value").textContent = `Calls ${this.#text(index, "call")} · puts ${this.#text(index, "put")}`;
    this.part("at").textContent = `strike ${strikeText(this.#strikes[index].strike)}`;
  }

  spoken(index) {
    const { strike } = this.#strikes[index];
    return `Strike ${strikeText(strike)}: calls ${this.#text(index, "call")}, puts ${this.#text(index, "put")}`;
  }

  table() {
    return {
      caption: this.label,
      headings: ["Strike", "Calls", "Puts"],
      rows: this.#strikes.map(({ strike }, index) => [
        strikeText(strike),
        this.#text(index, "call"),
        this.#text(index, "put"),
      ]),
    };
  }

  options(ink, axis) {
    this.#ink = ink;
    // With the decimals the steps need: 12.5% and 13.0%, never 13% twice.
    const values = this.#isBars
      ? (_, splits) => axisTexts(splits)
      : (_, splits) => axisTexts(splits.map((value) => value * 100)).map((text) => `${text}%`);
    return {
      padding: [18, 0, 0, 0],
      cursor: { points: { show: !this.#isBars, size: 8, fill: ink.panel, width: 2 } },
      scales: {
        x: { time: false, range: (_, low, high) => inset(low, high) },
        y: { range: (_, low, high) => (this.#isBars ? [0, (high ?? 1) * 1.08] : spread(low, high)) },
      },
      axes: [
        {
          ...axis,
          size: 22,
          gap: 2,
          space: 60,
          grid: { show: false },
          values: (_, splits) => splits.map((value) => strikeText(value)),
        },
        // Contracts are whole.
        { ...valueAxis(axis, 44), values, ...(this.#isBars ? { incrs: WHOLE } : {}) },
      ],
      series: [{}, ...(this.#isBars ? this.#bars() : this.#lines())],
      hooks: { draw: [(chart) => this.#drawMarks(chart)] },
    };
  }

  #lines() {
    const line = (stroke, more) => ({ stroke, width: 1.75, spanGaps: true, points: { show: false }, ...more });
    return [line(this.#ink.call), line(this.#ink.put, { dash: [6, 3] })];
  }

  #bars() {
    const bar = (fill, align) => ({
      fill,
      width: 0,
      paths: uPlot.paths.bars({ size: [0.4, 14, 1], align }),
      points: { show: false },
    });
    return [bar(this.#ink.call, -1), bar(this.#ink.put, 1)];
  }

  /** Mark the spot, and the strike at which most options would end worthless. */
  #drawMarks(chart) {
    const { spot, maxPain } = this.#marks;
    this.#mark(chart, spot, "spot", this.#ink.spot, []);
    if (this.#isBars) this.#mark(chart, maxPain, "max pain", this.#ink.pain, [4, 3], -1);
  }

  #mark(chart, at, text, colour, dash, side = 1) {
    const { min, max } = chart.scales.x;
    if (at === null || at === undefined || at < min || at > max) return;
    const { ctx, bbox } = chart;
    const x = Math.round(chart.valToPos(at, "x", true)) + 0.5;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.strokeStyle = colour;
    ctx.lineWidth = ratio;
    ctx.setLineDash(dash.map((length) => length * ratio));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top - 4 * ratio);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.fillStyle = colour;
    ctx.font = `${11 * ratio}px ${getComputedStyle(this.plot).fontFamily}`;
    // Side by side if both are at one place.
    const { spot, maxPain } = this.#marks;
    const isLeft = side < 0 ? maxPain <= spot : this.#isBars && maxPain > spot;
    ctx.textAlign = isLeft ? "right" : "left";
    ctx.fillText(text, x + (isLeft ? -4 : 4) * ratio, bbox.top - 5 * ratio);
    ctx.restore();
  }
}

/** The strikes with nearly all of the open interest: far ones would squeeze the others. */
function traded(strikes) {
  const sizes = strikes.map((row) => SIDES.reduce((sum, side) => sum + (row[side]?.open_interest ?? 0), 0));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (!total) return strikes;
  let passed = 0;
  return strikes.filter((_, index) => {
    const before = passed;
    passed += sizes[index];
    return passed >= total * TAIL && before <= total * (1 - TAIL);
  });
}

/** Room for the bars of the first and the last strike. */
function inset(low, high) {
  const air = (high - low) * 0.015;
  return [low - air, high + air];
}
