// The chain's table: every strike, written exactly as greeks/templatetags/market.py writes it.

import { setText } from "../base/cells.js";
import { counted, number, percent, price, sign, strike as strikeText } from "../base/format.js";
import { DIGITS } from "./series.js";

const SIDES = ["call", "put"];
const LEVELS = 10;
const GREEKS = new Set(["iv", ...Object.keys(DIGITS)]);

const change = ({ open_interest: now, previous_open_interest: before }) =>
  now === null || before === null ? null : now - before;

const WRITERS = {
  open_interest: counted,
  open_interest_change: (value) => (value > 0 ? `+${counted(value)}` : counted(value)),
  volume: counted,
  theta: (value) => number(value, DIGITS.theta),
  gamma: (value) => number(value, DIGITS.gamma),
  vega: (value) => number(value, DIGITS.vega),
  delta: (value) => number(value, DIGITS.delta),
  iv: percent,
  last: price,
};

/** The strike nearest to the spot, the lower of two. */
export function atTheMoney(strikes, spot) {
  let nearest = null;
  for (const { strike } of spot === null ? [] : strikes) {
    if (nearest === null || Math.abs(strike - spot) < Math.abs(nearest - spot)) nearest = strike;
  }
  return nearest;
}

function valueOf(contract, name) {
  if (!contract) return null;
  return name === "open_interest_change" ? change(contract) : contract[name];
}

export class MarketChain {
  #scroll;
  #table;
  #body;
  #mould;
  // By strike; null until the table is written for the first time.
  #rows = null;
  #chain = null;
  #measure;
  #centred = null;

  constructor(panel, mould, measure) {
    this.#scroll = panel.querySelector('[data-part="chain-scroll"]');
    this.#table = panel.querySelector('[data-part="chain-table"]');
    this.#body = this.#table.tBodies[0];
    this.#mould = mould.content.querySelector("tr");
    this.#measure = measure;
  }

  /** Choose the measure of the bars. */
  set measure(name) {
    this.#measure = name;
    this.#table.dataset.measure = name;
    for (const cell of this.#body.querySelectorAll("[data-level]")) delete cell.dataset.level;
    if (this.#chain) this.draw(this.#chain);
  }

  draw(chain) {
    this.#chain = chain;
    // Two thousand cells are looked up when first visible, not while the page loads.
    this.#rows ??= new Map([...this.#body.rows].map((row) => [row.dataset.strike, cellsOf(row)]));
    const measure = this.#measure;
    let most = 0;
    for (const row of chain.strikes) {
      for (const side of SIDES) most = Math.max(most, Math.abs(valueOf(row[side], measure) ?? 0));
    }
    const atm = atTheMoney(chain.strikes, chain.spot);
    const kept = new Set();
    let before = null;
    for (const row of chain.strikes) {
      const key = String(row.strike);
      kept.add(key);
      if (!this.#rows.has(key)) this.#rows.set(key, this.#make(row.strike));
      const cells = this.#rows.get(key);
      this.#write(cells, row, { spot: chain.spot, isAtm: row.strike === atm, most });
      const next = before ? before.nextSibling : this.#body.firstChild;
      if (cells.row !== next) this.#body.insertBefore(cells.row, next);
      before = cells.row;
    }
    for (const [key, { row }] of this.#rows) {
      if (kept.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    this.#centre(`${chain.slug} ${chain.expiry}`);
  }

  /** Show no chain. */
  clear() {
    this.#chain = null;
    this.#rows = null;
    this.#body.replaceChildren();
  }

  #make(strike) {
    const row = document.importNode(this.#mould, true);
    row.dataset.strike = String(strike);
    setText(row.querySelector("th span"), strikeText(strike));
    return cellsOf(row);
  }

  #write({ row, cells }, { strike, call, put }, { spot, isAtm, most }) {
    row.toggleAttribute("data-atm", isAtm);
    if (spot === null || strike === spot) delete row.dataset.inside;
    else row.dataset.inside = strike < spot ? "call" : "put";
    const contracts = { call, put };
    for (const [cell, side, name] of cells) {
      const contract = contracts[side];
      const value = valueOf(contract, name);
      setText(cell, WRITERS[name](value));
      if (name === "open_interest_change") cell.dataset.sign = sign(value, 0);
      if (GREEKS.has(name)) {
        if (contract?.greeks_source === "model") cell.dataset.by = "model";
        else delete cell.dataset.by;
      }
      if (name === this.#measure) {
        cell.dataset.level = value && most > 0 ? String(Math.ceil((Math.abs(value) / most) * LEVELS)) : "0";
      }
    }
  }

  /** Once per chain: scroll the at-the-money strike to the middle. */
  #centre(name) {
    const row = this.#body.querySelector("[data-atm]");
    if (this.#centred === name || !row) return;
    this.#centred = name;
    this.#scroll.scrollTop = row.offsetTop - this.#scroll.clientHeight / 2;
  }
}

/** A row and its cells with their side and name, read once. */
function cellsOf(row) {
  const cells = [...row.cells]
    .filter((cell) => cell.tagName === "TD")
    .map((cell) => {
      const side = cell.classList.contains("call-side") ? "call" : "put";
      const name = [...cell.classList].find((each) => each.startsWith("c-")).slice(2);
      return [cell, side, name];
    });
  return { row, cells };
}
