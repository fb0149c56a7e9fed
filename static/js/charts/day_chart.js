// A chart of one series over the day: drawn by uPlot, with keyboard control and a table.

import { number } from "../base/format.js";
import { uPlot } from "./library.js";
import { Times, alone, spread, timeAxis, valueAxis } from "./plotting.js";
import { PlottedFigure } from "./plotted_figure.js";

// Points further apart than this many resolutions have a gap between them.
const GAP_RESOLUTIONS = 1.5;
const MINUTE = 60;
// A page that stays open shows the last day, not all days.
const KEPT_MINUTES = 24 * 60;
const HALF_HOUR = 30 * 60;
const COLOURS = {
  accent: "var(--accent)",
  faint: "var(--text-faint)",
  line: "var(--line)",
  panel: "var(--panel-solid)",
  wash: "rgb(from var(--accent) r g b / 0.24)",
  // Of the same hue: a canvas fades through grey to a transparent black.
  nothing: "rgb(from var(--accent) r g b / 0)",
};

/** Minute points of several series; missing minutes are null. */
export class DaySeries {
  at = [];
  columns = {};

  /** Replace everything by a body of /api/portfolio/history. */
  load(series) {
    this.at = [];
    const names = Object.keys(series).filter((name) => name !== "at");
    this.columns = Object.fromEntries(names.map((name) => [name, []]));
    series.at.forEach((at, index) => {
      this.#add(Date.parse(at) / 1000, (name) => series[name][index]);
    });
  }

  /** Add a live reading: replace the current minute's point, or begin the next minute. */
  append(at, values) {
    const instant = Date.parse(at) / 1000;
    if (Number.isNaN(instant)) return;
    const minute = Math.floor(instant / MINUTE) * MINUTE;
    const last = this.at.at(-1);
    if (last !== undefined && minute < last) return;
    if (minute === last) {
      for (const [name, column] of Object.entries(this.columns)) {
        column[column.length - 1] = values[name] ?? null;
      }
    } else {
      this.#add(minute, (name) => values[name]);
      this.#forgetBefore(minute - KEPT_MINUTES * MINUTE);
    }
  }

  #forgetBefore(oldest) {
    const kept = this.at.findIndex((at) => at > oldest);
    if (kept <= 0) return;
    for (const column of [this.at, ...Object.values(this.columns)]) column.splice(0, kept);
  }

  #add(at, valueOf) {
    const last = this.at.at(-1);
    if (last !== undefined && at - last > GAP_RESOLUTIONS * MINUTE) {
      this.at.push(last + MINUTE);
      for (const column of Object.values(this.columns)) column.push(null);
    }
    this.at.push(at);
    for (const [name, column] of Object.entries(this.columns)) column.push(valueOf(name) ?? null);
  }
}

/** Times are in the reader's chosen zone, like every other time on the page. */
export class DayChart extends PlottedFigure {
  #series;
  #name;
  #label;
  #digits;
  #times;

  /** `digits`: decimals of each series. The first series is shown unless a radio says otherwise. */
  constructor(figure, series, digits) {
    super(figure);
    this.#series = series;
    this.#digits = digits;
    this.#times = new Times(figure.dataset.timeZone);
    const radios = [...figure.querySelectorAll('input[type="radio"]')];
    this.#name = radios.find((radio) => radio.checked)?.value ?? Object.keys(digits)[0];
    this.#nameLabel();
    for (const radio of radios) {
      radio.addEventListener("change", () => {
        this.#name = radio.value;
        this.#nameLabel();
        this.draw();
      });
    }
  }

  /** Show the series as they are now. */
  draw() {
    const values = this.#values;
    if (values.some((value) => value !== null)) this.show([this.#series.at, values]);
    else this.clear("No history yet");
  }

  fail(message) {
    if (!this.count) this.clear(message);
  }

  get latest() {
    return this.#values.findLastIndex((value) => value !== null);
  }

  get #values() {
    return this.#series.columns[this.#name] ?? [];
  }

  get label() {
    return `${this.#label} by minute`;
  }

  get colours() {
    return COLOURS;
  }

  get halfPlace() {
    return HALF_HOUR;
  }

  #nameLabel() {
    const title = this.figure.querySelector("figcaption").textContent.trim();
    const radio = this.figure.querySelector("input:checked");
    this.#label = radio ? radio.parentElement.textContent.trim() : title;
  }

  options(ink, axis) {
    const fill = (chart) => {
      const gradient = chart.ctx.createLinearGradient(0, chart.bbox.top, 0, chart.bbox.top + chart.bbox.height);
      gradient.addColorStop(0, ink.wash);
      gradient.addColorStop(1, ink.nothing);
      return gradient;
    };
    return {
      padding: [6, 2, 0, 0],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), this.#times.zone),
      cursor: {
        points: { size: 8, fill: ink.panel, stroke: ink.accent, width: 2 },
        focus: { prox: -1 },
      },
      scales: { y: { range: (_, low, high) => spread(low, high) } },
      axes: [timeAxis(axis, this.#times), valueAxis(axis)],
      series: [
        {},
        {
          stroke: ink.accent,
          width: 1.75,
          fill,
          spanGaps: false,
          points: { show: true, size: 4, fill: ink.accent, filter: (chart) => alone(chart.data[1]) },
        },
      ],
    };
  }

  #text(index) {
    return number(this.#values[index], this.#digits[this.#name]) ?? "no value";
  }

  spoken(index) {
    return `${this.#times.moment(this.#series.at[index])}: ${this.#text(index)}`;
  }

  write(index) {
    if (index < 0) return;
    this.part("value").textContent = this.#text(index);
    this.part("at").textContent = this.#times.moment(this.#series.at[index]);
  }

  heightAt(index) {
    const value = this.#values[index];
    return value === null ? 0 : this.chart.valToPos(value, "y");
  }

  table() {
    const rows = this.#series.at.map((at, index) => [this.#times.minute(at), this.#text(index)]);
    return {
      caption: `${this.#label}, newest first, times in ${this.#times.zone}`,
      headings: ["Minute", this.#label],
      rows: rows.reverse(),
    };
  }
}
