// A chart of one series over the day: drawn by uPlot, walked by keyboard, told as a table.

import { day, number } from "./format.js";

// uPlot's minified file is a plain script: the page names it before this module.
const { uPlot } = globalThis;

// Points further apart than this many resolutions have a gap between them.
const GAP_RESOLUTIONS = 1.5;
const MINUTE = 60;
const PAGE = 15;
// Half the width of a label of the time axis, in pixels.
const LABEL_HALF = 16;
// A page that stays open shows the last day, not all days.
const KEPT_MINUTES = 24 * 60;

/** Times as the reader's chosen zone has them: the zone of every other time on the page. */
class Times {
  constructor(zone) {
    this.zone = zone;
    const texts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone };
    this.clock = new Intl.DateTimeFormat("en-GB", texts);
    this.date = new Intl.DateTimeFormat("sv-SE", { timeZone: zone });
    this.short = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "short" });
  }

  /** 14:32 */
  minute(seconds) {
    return this.clock.format(new Date(seconds * 1000));
  }

  /** 20 Nov 26, 14:32 EST */
  moment(seconds) {
    const at = new Date(seconds * 1000);
    const { value } = this.short.formatToParts(at).find((part) => part.type === "timeZoneName");
    return `${day(this.date.format(at))}, ${this.clock.format(at)} ${value}`;
  }
}

/** Minute points of several series, with a null where minutes are missing. */
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

  /** A live reading: replaces the present minute's point, or opens the next minute. */
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

export class DayChart {
  #figure;
  #plot;
  #chart = null;
  #series;
  #name;
  #label;
  #digits;
  #times;
  #cursor = null;

  /** `digits`: decimals of each series. The first series is shown unless a radio says otherwise. */
  constructor(figure, series, digits) {
    this.#figure = figure;
    this.#series = series;
    this.#digits = digits;
    this.#times = new Times(figure.dataset.timeZone);
    this.#plot = figure.querySelector('[data-part="plot"]');
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
    figure.querySelector("details").addEventListener("toggle", () => this.#tell());
    this.#plot.addEventListener("keydown", (event) => this.#walk(event));
    this.#plot.addEventListener("blur", () => this.#setCursor(null));
    document.addEventListener("theme.changed", () => this.#redraw());
    new ResizeObserver(() => this.#fit()).observe(this.#plot);
  }

  /** Show the series as they are now. */
  draw() {
    const values = this.#values;
    if (!values.some((value) => value !== null)) {
      this.#clear("No history yet");
      return;
    }
    const data = [this.#series.at, values];
    if (this.#chart) this.#chart.setData(data);
    else this.#create(data);
    this.#read();
    this.#tell();
  }

  fail(message) {
    if (!this.#chart) this.#clear(message);
  }

  get #values() {
    return this.#series.columns[this.#name] ?? [];
  }

  #nameLabel() {
    const title = this.#figure.querySelector("figcaption").textContent.trim();
    const radio = this.#figure.querySelector("input:checked");
    this.#label = radio ? radio.parentElement.textContent.trim() : title;
    this.#plot.setAttribute("aria-label", `${this.#label} by minute`);
  }

  #clear(message) {
    this.#chart?.destroy();
    this.#chart = null;
    const note = document.createElement("p");
    note.className = "chart-empty";
    note.textContent = message;
    this.#plot.replaceChildren(note);
    for (const name of ["role", "tabindex", "aria-valuenow", "aria-valuetext"]) {
      this.#plot.removeAttribute(name);
    }
    this.#figure.querySelector('[data-part="value"]').textContent = "";
    this.#figure.querySelector('[data-part="at"]').textContent = "";
  }

  #redraw() {
    this.#chart?.destroy();
    this.#chart = null;
    this.draw();
  }

  #fit() {
    if (!this.#chart) return;
    const { clientWidth: width, clientHeight: height } = this.#plot;
    if (width > 0) this.#chart.setSize({ width, height });
  }

  #create(data) {
    const ink = this.#ink();
    const axis = {
      stroke: ink.faint,
      font: `11px ${getComputedStyle(this.#plot).fontFamily}`,
      grid: { stroke: ink.line, width: 1 },
      ticks: { show: false },
      border: { show: false },
    };
    const fill = (chart) => {
      const gradient = chart.ctx.createLinearGradient(0, chart.bbox.top, 0, chart.bbox.top + chart.bbox.height);
      gradient.addColorStop(0, ink.wash);
      gradient.addColorStop(1, ink.nothing);
      return gradient;
    };
    this.#plot.replaceChildren();
    this.#chart = new uPlot(
      {
        width: this.#plot.clientWidth,
        height: this.#plot.clientHeight,
        padding: [6, 2, 0, 0],
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), this.#times.zone),
        legend: { show: false },
        cursor: {
          y: false,
          drag: { x: false, y: false },
          points: { size: 8, fill: ink.panel, stroke: ink.accent, width: 2 },
          focus: { prox: -1 },
        },
        scales: { y: { range: (_, low, high) => spread(low, high) } },
        axes: [
          {
            ...axis,
            size: 22,
            gap: 2,
            space: 56,
            grid: { show: false },
            // A label at the very edge would be cut in half.
            values: (chart, splits) =>
              splits.map((at) =>
                chart.valToPos(at, "x") < LABEL_HALF ? "" : this.#times.minute(at),
              ),
          },
          {
            ...axis,
            side: 1,
            gap: 4,
            space: 32,
            size: (_, labels) => Math.max(...(labels ?? [""]).map((text) => text.length)) * 6.4 + 10,
            values: (_, splits) => axisTexts(splits),
          },
        ],
        series: [
          {},
          { stroke: ink.accent, width: 1.75, fill, spanGaps: false, points: { show: false } },
        ],
        hooks: {
          setCursor: [
            (chart) => {
              this.#cursor = chart.cursor.idx ?? null;
              this.#read();
            },
          ],
        },
      },
      data,
      this.#plot,
    );
    this.#plot.setAttribute("role", "slider");
    this.#plot.setAttribute("aria-valuemin", "0");
    this.#plot.tabIndex = 0;
  }

  /** The tokens as colours a canvas understands. */
  #ink() {
    const probe = document.createElement("span");
    probe.hidden = true;
    this.#plot.append(probe);
    const resolve = (value) => {
      probe.style.color = value;
      return getComputedStyle(probe).color;
    };
    const ink = {
      accent: resolve("var(--accent)"),
      faint: resolve("var(--text-faint)"),
      line: resolve("var(--line)"),
      panel: resolve("var(--panel-solid)"),
      wash: resolve("rgb(from var(--accent) r g b / 0.24)"),
      // Of the same hue: a canvas fades through grey to a transparent black.
      nothing: resolve("rgb(from var(--accent) r g b / 0)"),
    };
    probe.remove();
    return ink;
  }

  #lastIndex() {
    return this.#values.findLastIndex((value) => value !== null);
  }

  #text(index) {
    const value = this.#values[index];
    return value === null || value === undefined
      ? "no value"
      : number(value, this.#digits[this.#name]);
  }

  #read() {
    const index = this.#cursor ?? this.#lastIndex();
    if (index < 0) return;
    const at = this.#times.moment(this.#series.at[index]);
    this.#figure.querySelector('[data-part="value"]').textContent = this.#text(index);
    this.#figure.querySelector('[data-part="at"]').textContent = at;
    this.#plot.setAttribute("aria-valuemax", String(this.#series.at.length - 1));
    this.#plot.setAttribute("aria-valuenow", String(index));
    this.#plot.setAttribute("aria-valuetext", `${at}: ${this.#text(index)}`);
  }

  #walk(event) {
    if (!this.#chart) return;
    const last = this.#series.at.length - 1;
    const from = this.#cursor ?? this.#lastIndex();
    const to = {
      ArrowLeft: from - 1,
      ArrowDown: from - 1,
      ArrowRight: from + 1,
      ArrowUp: from + 1,
      PageDown: from - PAGE,
      PageUp: from + PAGE,
      Home: 0,
      End: last,
    }[event.key];
    if (event.key === "Escape") this.#setCursor(null);
    if (to === undefined) return;
    event.preventDefault();
    this.#setCursor(Math.min(last, Math.max(0, to)));
  }

  #setCursor(index) {
    if (!this.#chart) return;
    if (index === null) {
      this.#chart.setCursor({ left: -10, top: -10 });
      this.#cursor = null;
    } else {
      const value = this.#values[index];
      const left = this.#chart.valToPos(this.#series.at[index], "x");
      const top = value === null ? 0 : this.#chart.valToPos(value, "y");
      this.#chart.setCursor({ left, top });
      this.#cursor = index;
    }
    this.#read();
  }

  /** The table of the same figures, newest first; written only while it is open. */
  #tell() {
    if (!this.#figure.querySelector("details").open) return;
    const place = this.#figure.querySelector('[data-part="table"]');
    const table = document.createElement("table");
    const caption = table.createCaption();
    caption.textContent = `${this.#label}, newest first, times in ${this.#times.zone}`;
    const head = table.createTHead().insertRow();
    for (const text of ["Minute", this.#label]) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = text;
      head.append(cell);
    }
    head.lastChild.className = "end";
    const body = table.createTBody();
    for (let index = this.#series.at.length - 1; index >= 0; index -= 1) {
      const row = body.insertRow();
      const cell = document.createElement("th");
      cell.scope = "row";
      cell.textContent = this.#times.minute(this.#series.at[index]);
      row.append(cell);
      const value = row.insertCell();
      value.className = "end";
      value.textContent = this.#text(index);
    }
    place.replaceChildren(table);
  }
}

/** A range with air around it; a flat line gets a range of its own size. */
function spread(low, high) {
  if (low === null || high === null) return [0, 1];
  const air = (high - low) * 0.12 || Math.abs(high) * 0.001 || 1;
  return [low - air, high + air];
}

/** Axis texts short enough for a narrow card, with as many decimals as the steps need. */
function axisTexts(splits) {
  const step = splits.length > 1 ? Math.abs(splits[1] - splits[0]) : 1;
  const most = Math.max(...splits.map(Math.abs));
  const unit = most >= 1e9 ? [1e9, "B"] : most >= 1e6 ? [1e6, "M"] : most >= 1e4 ? [1e3, "k"] : [1, ""];
  const digits = Math.min(6, Math.max(0, Math.ceil(-Math.log10(step / unit[0]) - 1e-9)));
  return splits.map((value) => `${number(value / unit[0], digits)}${unit[1]}`);
}
