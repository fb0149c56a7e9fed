// One drawing of a Greek: its change since the open as a line, or its change per minute as bars.

import { uPlot } from "../charts/library.js";
import { inkOf, plainAxis, timeAxis, valueAxis } from "../charts/plotting.js";

// Both drawings of a Greek align: their axes are equally wide.
const VALUE_AXIS = { gamma: 66, delta: 46, theta: 46, vega: 46 };
const CLICKED = 6;
const SYNC = "market";
const COLOURS = {
  faint: "var(--text-faint)",
  line: "var(--line)",
  zero: "var(--line-strong)",
  panel: "var(--panel-solid)",
  up: "var(--neon-up)",
  down: "var(--neon-down)",
  upWash: "rgb(from var(--neon-up) r g b / 0.26)",
  downWash: "rgb(from var(--neon-down) r g b / 0.26)",
  upNothing: "rgb(from var(--neon-up) r g b / 0)",
  downNothing: "rgb(from var(--neon-down) r g b / 0)",
  gap: "var(--hole)",
  gapWash: "var(--hole-wash)",
};

const positive = (value) => (value !== null && value >= 0 ? value : null);
const negative = (value) => (value !== null && value < 0 ? value : null);

export class GreekPlot {
  #place;
  #isBars;
  #shared;
  #chart = null;
  #drawn = "";
  #series = null;
  #at = null;
  #ink;

  /**
   * @param {HTMLElement} place
   * @param {{isBars: boolean, shared: object}} options `shared`: times, window, and the pointer's
   *   handlers: onShow, onReset, onPoint
   */
  constructor(place, { isBars, shared }) {
    this.#place = place;
    this.#isBars = isBars;
    this.#shared = shared;
  }

  /** The plot's own surface, where fingers land. */
  get surface() {
    return this.#chart?.over ?? null;
  }

  draw(series, greek, side) {
    this.#series = series;
    const data = this.#data(series, greek, side);
    const isSplit = side === "split";
    if (this.#chart && this.#drawn !== String(isSplit)) this.destroy();
    if (this.#chart) {
      this.#chart.setData(data);
      return false;
    }
    this.#drawn = String(isSplit);
    this.#create(data, greek, isSplit);
    return true;
  }

  destroy() {
    this.#chart?.destroy();
    this.#chart = null;
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.#place;
    if (this.#chart && width > 0) this.#chart.setSize({ width, height });
  }

  /** Draw the window's part of the day. */
  zoom() {
    const [min, max] = this.#shared.window().range;
    this.#chart?.setScale("x", { min, max });
  }

  /** A drawing that begins has no cross-hair: that takes none from the others. */
  #pointed(index) {
    if (index === null && this.#at === null) return;
    this.#at = index;
    this.#shared.onPoint(index);
  }

  /** Put the cross-hair on a point, here and in all charts; null removes it. */
  point(index) {
    if (!this.#chart) return;
    const left = index === null ? -10 : this.#chart.valToPos(this.#series.times[index], "x");
    this.#chart.setCursor({ left, top: index === null ? -10 : 0 }, true, true);
  }

  // --- Columns: stored points, then forming ones, each with its own style ---
  #data(series, greek, side) {
    const measure = this.#isBars ? "change" : "from_open";
    const columns = [series.times];
    for (const one of side === "split" ? ["call", "put"] : [side]) {
      const values = series.column(greek, one, measure);
      const stored = values.map((value, index) => (series.isForming(index) ? null : value));
      // The forming line starts at the last stored point.
      const from = this.#isBars ? series.stored : series.stored - 1;
      const forming = values.map((value, index) => (index >= from ? value : null));
      if (this.#isBars && side !== "split") columns.push(stored.map(positive), stored.map(negative));
      else columns.push(stored);
      columns.push(series.stored < series.length ? forming : values.map(() => null));
    }
    return columns;
  }

  #create(data, greek, isSplit) {
    this.#ink = inkOf(this.#place, COLOURS);
    const ink = this.#ink;
    const axis = plainAxis(this.#place, ink);
    const { times } = this.#shared;
    const time = timeAxis(axis, times);
    this.#place.replaceChildren();
    this.#chart = new uPlot(
      {
        width: this.#place.clientWidth,
        height: this.#place.clientHeight,
        padding: [this.#isBars ? 2 : 6, 0, 0, 0],
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), times.zone),
        legend: { show: false },
        cursor: {
          y: false,
          drag: { x: true, y: false, setScale: false, dist: CLICKED },
          points: { show: !this.#isBars, size: 8, fill: ink.panel, width: 2 },
          focus: { prox: -1 },
          sync: { key: SYNC, scales: ["x", null], filters: { pub: (kind) => kind === "mousemove" || kind === "mouseleave" } },
          bind: { dblclick: () => () => this.#shared.onReset() },
        },
        scales: {
          x: { range: () => this.#shared.window().range },
          y: { range: (_, low, high) => aroundZero(low, high) },
        },
        axes: [
          this.#isBars ? time : { ...time, size: 4, values: (_, splits) => splits.map(() => "") },
          valueAxis({ ...axis, space: this.#isBars ? 24 : 30 }, VALUE_AXIS[greek]),
        ],
        series: [{}, ...(this.#isBars ? this.#bars(isSplit) : this.#lines(isSplit))],
        hooks: {
          drawClear: [(chart) => this.#hatchGaps(chart)],
          drawAxes: [(chart) => this.#drawZero(chart)],
          drawSeries: this.#isBars ? [] : [(chart, index) => this.#glow(chart, index)],
          setSelect: [(chart) => this.#selected(chart)],
          setCursor: [(chart) => this.#pointed(chart.cursor.idx ?? null)],
        },
      },
      data,
      this.#place,
    );
  }

  #lines(isSplit) {
    const ink = this.#ink;
    const line = (stroke, more = {}) => ({
      stroke,
      width: 1.75,
      spanGaps: false,
      points: { show: false },
      ...more,
    });
    const forming = (stroke) => ({
      ...line(stroke, { dash: [3, 3], width: 1.5 }),
      points: {
        show: true,
        size: 7,
        width: 1.5,
        fill: ink.panel,
        filter: (chart, index) => [chart.data[index].length - 1],
      },
    });
    if (isSplit) {
      return [
        line(ink.up),
        forming(ink.up),
        line(ink.down, { dash: [7, 3] }),
        forming(ink.down),
      ];
    }
    const stroke = (chart) => this.#byZero(chart, [ink.up, ink.up], [ink.down, ink.down]);
    const fill = (chart) =>
      this.#byZero(chart, [ink.upWash, ink.upNothing], [ink.downNothing, ink.downWash]);
    return [line(stroke, { fill, fillTo: 0 }), forming(stroke)];
  }

  #bars(isSplit) {
    const { up, down } = this.#ink;
    const paths = (align) => uPlot.paths.bars({ size: [isSplit ? 0.36 : 0.66, 18, 1], align });
    const bar = (colour, align = 0) => ({
      fill: colour,
      width: 0,
      paths: paths(align),
      points: { show: false },
    });
    // Outlined, not filled: it still moves.
    const forming = (colour, align = 0) => ({
      stroke: colour,
      width: 1,
      paths: paths(align),
      points: { show: false },
    });
    if (isSplit) return [bar(up, -1), forming(up, -1), bar(down, 1), forming(down, 1)];
    const bySign = (above, below) => (chart, index) => ((chart.data[index].at(-1) ?? 0) < 0 ? below : above);
    return [bar(up), bar(down), forming(bySign(up, down))];
  }

  /** A vertical gradient that changes its colour at zero. */
  #byZero(chart, above, below) {
    const { top, height } = chart.bbox;
    const gradient = chart.ctx.createLinearGradient(0, top, 0, top + height);
    const zero = (chart.valToPos(0, "y", true) - top) / height;
    const at = Number.isFinite(zero) ? Math.min(1, Math.max(0, zero)) : 1;
    gradient.addColorStop(0, above[0]);
    gradient.addColorStop(at, above[1]);
    gradient.addColorStop(at, below[0]);
    gradient.addColorStop(1, below[1]);
    return gradient;
  }

  /** Neon: draw the line again, wide and faint. */
  #glow(chart, index) {
    const { stroke: path, clip: gaps } = chart.series[index]._paths ?? {};
    if (!path || chart.series[index].dash) return;
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    if (gaps) ctx.clip(gaps);
    ctx.globalAlpha = 0.16;
    ctx.lineWidth = 7 * devicePixelRatio;
    ctx.lineJoin = "round";
    ctx.strokeStyle = chart.series[index].stroke(chart, index);
    ctx.stroke(path);
    ctx.restore();
  }

  #drawZero(chart) {
    const { ctx, bbox } = chart;
    const y = Math.round(chart.valToPos(0, "y", true)) + 0.5;
    if (y < bbox.top || y > bbox.top + bbox.height) return;
    ctx.save();
    ctx.strokeStyle = this.#ink.zero;
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  }

  /** Hatch minutes without a sample from edge to edge: their values are unknown. */
  #hatchGaps(chart) {
    const { ctx, bbox } = chart;
    const half = this.#series.step / 2;
    for (const [first, last] of this.#series.gaps) {
      const left = Math.max(bbox.left, chart.valToPos(first - half, "x", true));
      const right = Math.min(bbox.left + bbox.width, chart.valToPos(last + half, "x", true));
      if (right <= left) continue;
      ctx.save();
      ctx.fillStyle = this.#ink.gapWash;
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
      ctx.beginPath();
      ctx.rect(left, bbox.top, right - left, bbox.height);
      ctx.clip();
      ctx.strokeStyle = this.#ink.gap;
      ctx.lineWidth = devicePixelRatio;
      ctx.beginPath();
      const apart = 7 * devicePixelRatio;
      for (let x = left - bbox.height - ((left - bbox.height) % apart); x < right; x += apart) {
        ctx.moveTo(x, bbox.top + bbox.height);
        ctx.lineTo(x + bbox.height, bbox.top);
      }
      ctx.stroke();
      ctx.restore();
    }
  }

  #selected(chart) {
    const { left, width } = chart.select;
    if (width < CLICKED) return;
    const [from, to] = [chart.posToVal(left, "x"), chart.posToVal(left + width, "x")];
    chart.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.#shared.onShow(from, to);
  }
}

/** A range that includes zero, with padding above and below. */
function aroundZero(low, high) {
  if (low === null || high === null) return [-1, 1];
  const [least, most] = [Math.min(0, low), Math.max(0, high)];
  const air = (most - least) * 0.1 || 1;
  return [least < 0 ? least - air : -air, most > 0 ? most + air : air];
}
