// A figure whose points can be stepped through by keyboard and read as a table. Classes that
// extend it define the drawing, the read-out and the table. It is drawn when it nears the view.

import { fetchLibrary, uPlot } from "./library.js";
import { inTurn } from "./turns.js";

const PAGE = 15;
// Plots are drawn this far outside the view.
const NEAR = "150px 0px";
const SLIDER = ["role", "tabindex", "aria-valuemin", "aria-valuemax", "aria-valuenow", "aria-valuetext"];

export class WalkedFigure {
  static #figures = new WeakMap();
  static #watcher = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const figure = WalkedFigure.#figures.get(target);
        figure.#isNear = isIntersecting;
        figure.#begin();
      }
    },
    { rootMargin: NEAR },
  );
  #isNear = false;
  #isDue = false;
  #isQueued = false;

  /** The point under the cursor; null: none, and the latest is read out. */
  cursor = null;

  constructor(figure) {
    this.figure = figure;
    this.plot = this.part("plot");
    this.details = figure.querySelector("details");
    this.details.addEventListener("toggle", () => this.tell());
    this.plot.addEventListener("keydown", (event) => this.#walk(event));
    this.plot.addEventListener("blur", () => this.#put(null));
    document.addEventListener("theme.changed", () => this.redraw());
    new ResizeObserver(() => this.fit()).observe(this.plot);
    WalkedFigure.#figures.set(this.plot, this);
    WalkedFigure.#watcher.observe(this.plot);
    // Paper shows the whole page.
    addEventListener("beforeprint", () => {
      if (uPlot && this.#isDue) this.paint();
    });
  }

  // --- For subclasses to define ---
  /** Number of points. */
  get count() {
    return 0;
  }

  /** The point read out without a cursor; negative: none. */
  get latest() {
    return this.count - 1;
  }

  /** Whether something is drawn. */
  get isDrawn() {
    return false;
  }

  /** The spoken text of a point. */
  spoken(_index) {
    return "";
  }

  /** Write the point's figures into the read-out. */
  write(_index) {}

  /** Move the drawn cursor to a point; null hides it. */
  point(_index) {}

  /** Draw what is known by now. */
  paint() {}

  redraw() {}

  fit() {}

  /** Caption, headings and rows of the table, newest first. */
  table() {
    return { caption: "", headings: [], rows: [] };
  }

  // --- Shared ---
  part(name) {
    return this.figure.querySelector(`[data-part="${name}"]`);
  }

  /** Have the plot painted: in turn with others, when it is near the view and uPlot is here. */
  update() {
    this.#isDue = true;
    this.#begin();
  }

  async #begin() {
    if (!this.#isDue || !this.#isNear || this.#isQueued) return;
    this.#isQueued = true;
    try {
      await fetchLibrary();
      inTurn(() => this.#painted());
    } catch {
      this.#isQueued = false;
      this.say("The chart could not be loaded");
    }
  }

  #painted() {
    this.#isQueued = false;
    this.#isDue = false;
    this.paint();
  }

  /** Make the plot one tab stop, with arrow keys to step through it. */
  adopt(label) {
    this.plot.setAttribute("role", "slider");
    this.plot.setAttribute("aria-valuemin", "0");
    this.plot.setAttribute("aria-label", label);
    this.plot.tabIndex = 0;
  }

  /** Say that there is nothing to draw. */
  say(message) {
    const note = document.createElement("p");
    note.className = "chart-empty";
    note.textContent = message;
    this.plot.replaceChildren(note);
    for (const name of SLIDER) this.plot.removeAttribute(name);
  }

  read() {
    const index = this.cursor ?? this.latest;
    this.write(index);
    if (index < 0) return;
    this.plot.setAttribute("aria-valuemax", String(this.count - 1));
    this.plot.setAttribute("aria-valuenow", String(index));
    this.plot.setAttribute("aria-valuetext", this.spoken(index));
  }

  #walk(event) {
    if (!this.count) return;
    const last = this.count - 1;
    const from = this.cursor ?? this.latest;
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
    if (event.key === "Escape") this.#put(null);
    if (to === undefined) return;
    event.preventDefault();
    this.#put(Math.min(last, Math.max(0, to)));
  }

  #put(index) {
    if (!this.count) return;
    if (this.isDrawn) this.point(index);
    this.cursor = index;
    this.read();
  }

  /** Write the table of the same figures, only while it is open. */
  tell() {
    if (!this.details.open) return;
    const { caption, headings, rows } = this.table();
    const table = document.createElement("table");
    table.createCaption().textContent = caption;
    const head = table.createTHead().insertRow();
    for (const [place, text] of headings.entries()) {
      head.append(cell("th", text, { scope: "col", className: place ? "end" : "" }));
    }
    const body = table.createTBody();
    for (const [name, ...values] of rows) {
      const row = body.insertRow();
      row.append(cell("th", name, { scope: "row" }));
      row.append(...values.map((value) => cell("td", value, { className: "end" })));
    }
    this.part("table").replaceChildren(table);
  }
}

function cell(kind, text, properties) {
  return Object.assign(document.createElement(kind), { textContent: text, ...properties });
}
