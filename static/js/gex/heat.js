// The heat map of strikes and expiries: coloured cells with their figures, walked by the arrow keys.

import { compact, day, strike } from "../base/format.js";
import { HeatMap } from "../charts/heat_map.js";

const LEVELS = 6;
// Fewer expiries than this do not fill the panel.
const NARROW = 6;

export class ExposureHeat {
  #root;
  #readout;
  #map = null;
  #cells = null;

  constructor(root) {
    this.#root = root.querySelector('[data-part="heat-map"]');
    this.#readout = root.querySelector('[data-part="heat-readout"]');
    for (const kind of ["focusin", "pointerover"]) {
      this.#root.addEventListener(kind, (event) => this.#read(event.target.closest("[data-cell]")));
    }
  }

  /** `cells` of a body of /api/gex: strikes, expiries and the net exposure of each. */
  draw(cells) {
    this.#cells = cells;
    const most = Math.max(...cells.net.flat().map((value) => Math.abs(value ?? 0)), 0);
    const table = document.createElement("table");
    table.className = "heat-map";
    table.dataset.heatMap = "";
    table.toggleAttribute("data-narrow", cells.expiry.length < NARROW);
    table.createCaption().textContent = "Strike down the side, expiry across";
    const head = table.createTHead().insertRow();
    head.append(heading("Strike", "col"), ...cells.expiry.map((expiry) => heading(day(expiry), "col")));
    const body = table.createTBody();
    // The highest strike on top, as on a price axis.
    for (let place = cells.strike.length - 1; place >= 0; place -= 1) {
      const row = body.insertRow();
      row.append(heading(strike(cells.strike[place]), "row"));
      row.append(...cells.net[place].map((value, across) => cell(value, most, `${place},${across}`)));
    }
    const was = this.#root.contains(document.activeElement);
    this.#root.replaceChildren(table);
    if (this.#map) this.#map.adopt();
    else this.#map = new HeatMap(this.#root);
    if (was) this.#root.querySelector('[data-cell][tabindex="0"]')?.focus();
  }

  clear(message) {
    this.#cells = null;
    this.#root.replaceChildren(Object.assign(document.createElement("p"), { className: "chart-empty", textContent: message }));
  }

  #read(button) {
    if (!button || !this.#cells) return;
    const [down, across] = button.dataset.cell.split(",").map(Number);
    const { strike: strikes, expiry, net } = this.#cells;
    const value = compact(net[down][across]) ?? "no value";
    this.#readout.textContent = `Strike ${strike(strikes[down])}, ${day(expiry[across])}: ${value}`;
  }
}

function heading(text, scope) {
  return Object.assign(document.createElement("th"), { textContent: text, scope, className: "end" });
}

function cell(value, most, place) {
  const element = document.createElement("td");
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.cell = place;
  button.textContent = value ? compact(value) : "–";
  if (value) {
    element.dataset.sign = value > 0 ? "up" : "down";
    element.dataset.level = String(Math.max(1, Math.ceil((LEVELS * Math.abs(value)) / most)));
  } else {
    button.setAttribute("aria-label", "none");
  }
  element.append(button);
  return element;
}
