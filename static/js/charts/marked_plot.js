// A chart of bars or lines over prices, days or times, with marked places.

import { compact } from "../base/format.js";
import { uPlot } from "./library.js";
import { alone, valueAxis } from "./plotting.js";
import { PlottedFigure } from "./plotted_figure.js";

const COLOURS = {
  faint: "var(--text-faint)",
  text: "var(--text-soft)",
  line: "var(--line)",
  strong: "var(--line-strong)",
  panel: "var(--panel-solid)",
  call: "var(--neon-up)",
  put: "var(--neon-down)",
  accent: "var(--accent)",
  warn: "var(--warn)",
};
// Labels of marks nearer than this stand below each other, in pixels.
const LABEL = 64;
const ROW = 12;
const ROWS = 3;
const DASH = [6, 3];
// Half the width of a label of the x axis: at the very edge it would be cut.
const LABEL_HALF = 18;

export class MarkedPlot extends PlottedFigure {
  #options;
  #marks = [];
  #nearest = null;
  #ink;

  /**
   * `series` are {name, colour, dash?}. `place` writes one place of the x axis, `value` one value.
   * `note` says what happened at a place, if anything did; the table has a column of it.
   *
   * @param {HTMLElement} figure
   * @param {{label: string, heading: string, kind: "bars"|"lines", place: (at: number) => string,
   *   axis?: (places: number[]) => string[], value?: (value: number|null) => string|null,
   *   series: {name: string, colour: string, dash?: boolean}[], fromZero?: boolean,
   *   isNewestFirst?: boolean, step?: number, steps?: number[], note?: (index: number) => string,
   *   noteHeading?: string, nothing?: string}} options
   */
  constructor(figure, options) {
    super(figure);
    this.#options = { value: compact, fromZero: true, nothing: "Nothing to show", ...options };
  }

  /** Change some of the options; the next drawing follows them. */
  use(options) {
    this.#options = { ...this.#options, ...options };
    this.redraw();
  }

  /** `columns` of one length: x, then the series. `marks` are {at, text, colour, dash?}. */
  draw(columns, marks = [], nearest = null) {
    if (!columns[0].length) {
      this.clear(this.#options.nothing);
      return;
    }
    this.#marks = marks.filter(({ at }) => at !== null && at !== undefined);
    this.#nearest = nearest;
    this.show(columns);
  }

  get label() {
    return this.#options.label;
  }

  get colours() {
    return COLOURS;
  }

  get halfPlace() {
    return (this.#options.step ?? 1) / 2;
  }

  /** Without a cursor the place nearest to the spot is read out, else the last one. */
  get latest() {
    if (!this.count || this.#nearest === null) return this.count - 1;
    const apart = this.columns[0].map((at) => Math.abs(at - this.#nearest));
    return apart.indexOf(Math.min(...apart));
  }

  #text(index, place) {
    return this.#options.value(this.columns[place + 1][index] ?? null) ?? "no value";
  }

  #texts(index) {
    return this.#options.series.map(({ name }, place) => `${name} ${this.#text(index, place)}`);
  }

  #told(index) {
    const note = this.#options.note?.(index);
    return note ? [...this.#texts(index), note] : this.#texts(index);
  }

  #place(index) {
    return this.#options.place(this.columns[0][index]);
  }

  write(index) {
    if (index < 0 || !this.columns) return;
    this.part("value").textContent = this.#told(index).join(" · ");
    this.part("at").textContent = `${this.#options.heading.toLowerCase()} ${this.#place(index)}`;
  }

  spoken(index) {
    return `${this.#options.heading} ${this.#place(index)}: ${this.#told(index).join(", ")}`;
  }

  table() {
    const { label, heading, series, isNewestFirst, note, noteHeading } = this.#options;
    const rows = Array.from({ length: this.count }, (_, index) => [
      this.#place(index),
      ...series.map((_, place) => this.#text(index, place)),
      ...(note ? [note(index)] : []),
    ]);
    return {
      caption: label,
      headings: [heading, ...series.map(({ name }) => name), ...(note ? [noteHeading] : [])],
      rows: isNewestFirst ? rows.reverse() : rows,
    };
  }

  options(ink, axis) {
    this.#ink = ink;
    const { axis: texts, kind, step, steps } = this.#options;
    const isBars = kind === "bars";
    return {
      padding: [this.#marks.length ? ROWS * ROW + 4 : 6, 0, 0, 0],
      cursor: { points: { show: !isBars, size: 8, fill: ink.panel, width: 2 } },
      scales: {
        x: { time: false, range: (_, low, high) => (isBars ? inset(low, high, step) : [low, high]) },
        y: { range: (_, low, high) => this.#range(low, high) },
      },
      axes: [
        {
          ...axis,
          size: 22,
          gap: 2,
          space: 60,
          grid: { show: false },
          ...(steps ? { incrs: steps } : {}),
          values: (chart, splits) => {
            const labels = texts ? texts(splits) : splits.map((at) => this.#options.place(at));
            return labels.map((text, index) => (chart.valToPos(splits[index], "x") < LABEL_HALF ? "" : text));
          },
        },
        valueAxis(axis),
      ],
      series: [{}, ...this.#series(isBars)],
      hooks: {
        drawAxes: [(chart) => this.#drawZero(chart)],
        draw: [(chart) => this.#drawMarks(chart)],
      },
    };
  }

  #series(isBars) {
    // Exposures of opposite signs stand on one place, those of one sign side by side.
    const [first, second] = this.columns.slice(1);
    const isOneSided = second && Math.sign(total(first)) === Math.sign(total(second));
    return this.#options.series.map(({ colour, dash }, place) =>
      isBars
        ? {
            fill: this.#ink[colour],
            width: 0,
            paths: uPlot.paths.bars({ size: [isOneSided ? 0.4 : 0.75, 22, 1], align: isOneSided ? place * 2 - 1 : 0 }),
            fillTo: 0,
            points: { show: false },
          }
        : {
            stroke: this.#ink[colour],
            width: 1.75,
            dash: dash ? DASH : undefined,
            points: {
              show: true,
              size: 5,
              fill: this.#ink[colour],
              // A line needs two values beside each other.
              filter: (chart) => alone(chart.data[place + 1]),
            },
          },
    );
  }

  #range(low, high) {
    if (low === null || high === null) return [0, 1];
    const [least, most] = this.#options.fromZero ? [Math.min(0, low), Math.max(0, high)] : [low, high];
    const air = (most - least) * 0.08 || Math.abs(most) * 0.001 || 1;
    return [least < 0 || !this.#options.fromZero ? least - air : least, most > 0 ? most + air : most];
  }

  #drawZero(chart) {
    const { min, max } = chart.scales.y;
    if (min > 0 || max < 0) return;
    const { ctx, bbox } = chart;
    const y = Math.round(chart.valToPos(0, "y", true)) + 0.5;
    ctx.save();
    ctx.strokeStyle = this.#ink.strong;
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  }

  /** Mark places of the x axis; labels that would touch stand below each other. */
  #drawMarks(chart) {
    const { min, max } = chart.scales.x;
    const { ctx, bbox } = chart;
    const ratio = devicePixelRatio;
    const marks = this.#marks
      .filter(({ at }) => at >= min && at <= max)
      .map((mark) => ({ ...mark, x: Math.round(chart.valToPos(mark.at, "x", true)) + 0.5 }))
      .sort((one, other) => one.x - other.x);
    // Where each row's last label begins.
    const rows = Array(ROWS).fill(-Infinity);
    for (const { x, text, colour, dash } of marks) {
      const row = Math.max(0, rows.findIndex((begin) => x - begin >= LABEL * ratio));
      rows[row] = x;
      const top = bbox.top - (4 + row * ROW) * ratio;
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = this.#ink[colour];
      ctx.lineWidth = ratio;
      ctx.setLineDash(dash ? DASH.map((length) => length * ratio) : []);
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.font = `${11 * ratio}px ${getComputedStyle(this.plot).fontFamily}`;
      const isLeft = x + LABEL * ratio > bbox.left + bbox.width;
      ctx.textAlign = isLeft ? "right" : "left";
      ctx.fillText(text, x + (isLeft ? -4 : 4) * ratio, top + 2 * ratio);
      ctx.restore();
    }
  }
}

const total = (values) => values.reduce((sum, value) => sum + (value ?? 0), 0);

/** Room for the bars of the first and the last place. */
function inset(low, high, step) {
  const air = step ? step / 2 : (high - low) * 0.015 || 1;
  return [low - air, high + air];
}
