// One Greek's figure: read-out, the change since the open above the change per minute, and a table.

import { setChange, setHidden, setText } from "../base/cells.js";
import { number, sign, signed } from "../base/format.js";
import { GreekPlot } from "./greek_plot.js";
import { DIGITS, SIDES } from "./series.js";
import { TouchZoom } from "../charts/touch_zoom.js";
import { inTurn } from "../charts/turns.js";
import { WalkedFigure } from "../charts/walked_figure.js";

const SIDE_NAMES = { total: "both sides", call: "calls", put: "puts" };

export class GreekChart extends WalkedFigure {
  #greek;
  #digits;
  #shared;
  #plots = null;
  #series = null;
  #side = "total";
  #cells = new Map();

  /** `shared`: times, window and input handlers of all charts of the page. */
  constructor(figure, shared) {
    super(figure);
    this.#greek = figure.dataset.greek;
    this.#digits = DIGITS[this.#greek];
    this.#shared = shared;
    for (const row of figure.querySelectorAll("tr[data-side]")) {
      for (const cell of row.querySelectorAll("[data-field]")) {
        this.#cells.set(`${row.dataset.side} ${cell.dataset.field}`, cell);
      }
    }
  }

  get name() {
    return this.#greek[0].toUpperCase() + this.#greek.slice(1);
  }

  draw(series, side) {
    this.#series = series;
    this.#side = side;
    if (this.latest < 0) {
      this.#clear("No minute of this day is stored");
    } else {
      this.adopt(`${this.name}: change since the open, and change per step`);
      this.update();
    }
    setText(this.part("step"), this.#series.stepName);
    this.#tellVelocity();
    this.read();
    this.tell();
  }

  paint() {
    if (this.latest < 0) return;
    this.#plots ??= this.#begin();
    for (const plot of this.#plots) {
      inTurn(() => {
        if (this.#plots?.includes(plot)) this.#drawPlot(plot);
      });
    }
  }

  #drawPlot(plot) {
    if (plot.draw(this.#series, this.#greek, this.#side)) this.#touch(plot);
  }

  fail(message) {
    if (!this.count) this.#clear(message);
  }

  zoom() {
    for (const plot of this.#plots ?? []) plot.zoom();
  }

  #clear(message) {
    for (const plot of this.#plots ?? []) plot.destroy();
    this.#plots = null;
    this.say(message);
  }

  #begin() {
    const places = ["from-open", "change"].map((name) => {
      const place = document.createElement("div");
      place.className = `greek-plot-${name}`;
      return place;
    });
    this.plot.replaceChildren(...places);
    return places.map((place, index) => new GreekPlot(place, { isBars: index === 1, shared: this.#shared }));
  }

  #touch({ surface }) {
    new TouchZoom(surface, {
      range: () => this.#shared.window().range,
      isWhole: () => this.#shared.window().isWhole,
      onShow: this.#shared.onShow,
      onReset: this.#shared.onReset,
      onRead: (left) => this.#shared.onRead(left / surface.clientWidth),
    });
  }

  redraw() {
    if (!this.#plots) return;
    for (const plot of this.#plots) plot.destroy();
    this.#plots = null;
    this.update();
  }

  fit() {
    for (const plot of this.#plots ?? []) plot.fit();
  }

  get isDrawn() {
    return this.#plots !== null;
  }

  get count() {
    return this.#series?.length ?? 0;
  }

  get latest() {
    return this.#series?.latest ?? -1;
  }

  point(index) {
    this.#plots[0].point(index);
  }

  get #sides() {
    return this.#side === "split" ? ["call", "put"] : [this.#side];
  }

  #tellVelocity() {
    const { word, change } = this.#series.velocity(this.#greek, this.#side === "split" ? "total" : this.#side);
    const velocity = this.part("velocity");
    velocity.dataset.word = word ?? "";
    velocity.dataset.sign = sign(change, this.#digits);
    setText(this.part("word"), word ?? "not known yet");
    setText(this.part("velocity-at"), this.#closedAt);
  }

  /** The velocity's minute: the last one stored. */
  get #closedAt() {
    const last = this.#series.stored - 1;
    return last < 0 ? "" : this.#shared.times.minute(this.#series.times[last]);
  }

  #text(side, measure, index) {
    const value = this.#series.value(this.#greek, side, measure, index);
    return (measure === "close" ? number : signed)(value, this.#digits) ?? "no value";
  }

  write(index) {
    setText(this.part("at"), this.#when(index));
    setHidden(this.part("crossed"), !this.#series.isFiltered);
    if (this.#series.isFiltered) this.#writeCrossed(index);
    for (const side of SIDES) {
      const value = (measure) => this.#series.value(this.#greek, side, measure, index);
      setChange(this.#cells.get(`${side} from_open`), value("from_open"), this.#digits);
      setChange(this.#cells.get(`${side} change`), value("change"), this.#digits);
      setText(this.#cells.get(`${side} close`), number(value("close"), this.#digits));
    }
  }

  /** What strikes that crossed the range's ends did to the sum: apart from what moved. */
  #writeCrossed(index) {
    const side = this.#side === "split" ? "total" : this.#side;
    const element = this.part("crossed").querySelector("[data-field]");
    setChange(element, this.#series.value(this.#greek, side, "crossed", index), this.#digits);
  }

  /** 14:32, with notes on that minute. */
  #when(index) {
    if (index < 0) return null;
    const { times } = this.#shared;
    const [first, last] = [this.#series.times[index], this.#series.endOf(index)];
    const at = first === last ? times.minute(first) : `${times.minute(first)}–${times.minute(last)}`;
    if (this.#series.isGap(index)) return `${at} gap`;
    const { seen, expected } = this.#series.samples(index);
    if (this.#series.isForming(index)) return `${at} forming`;
    return seen < expected ? `${at} · ${seen}/${expected}` : at;
  }

  spoken(index) {
    const { times } = this.#shared;
    const zone = times.zoneName(this.#series.times[index]);
    if (this.#series.isGap(index)) return `${times.minute(this.#series.times[index])} ${zone}: gap, no sample arrived`;
    const said = this.#sides.map((side) => {
      const [fromOpen, change] = ["from_open", "change"].map((measure) => this.#text(side, measure, index));
      return `${SIDE_NAMES[side]} ${fromOpen} since the open, ${change} in the ${this.#series.stepName}`;
    });
    const forming = this.#series.isForming(index) ? ", forming" : "";
    return `${times.minute(this.#series.times[index])} ${zone}${forming}: ${said.join("; ")}`;
  }

  table() {
    const sides = this.#sides;
    const measures = [
      ["from_open", "since open"],
      ["change", this.#series.stepName],
      ...(this.#series.isFiltered ? [["crossed", "crossings"]] : []),
      ["close", "sum"],
    ];
    const rows = this.#series.times.map((_, index) => [
      this.#when(index),
      ...sides.flatMap((side) => measures.map(([measure]) => this.#text(side, measure, index))),
    ]);
    const heading = (side, text) => (sides.length > 1 ? `${SIDE_NAMES[side]}, ${text}` : text);
    return {
      caption: `${this.name}, ${sides.map((side) => SIDE_NAMES[side]).join(" and ")}, newest first, times in ${this.#shared.times.zone}`,
      headings: ["Time", ...sides.flatMap((side) => measures.map(([, text]) => heading(side, text)))],
      rows: rows.reverse(),
    };
  }
}
