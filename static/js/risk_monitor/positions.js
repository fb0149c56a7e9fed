// The positions table: rows by underlying, updated in place, sorted and filtered by the reader, as
// the address says: ?sort=-delta&filter=SPY P.

import { fieldsOf, setHidden, setText } from "../base/cells.js";
import * as format from "../base/format.js";
import { openGroupsOnClick, showGroup } from "./groups.js";
import { GROUP, writePosition } from "./position_cells.js";

// Which field of a row a column sorts by; the rest sort by their own name.
const SORT_FIELD = {
  account: "account_id",
  value: "market_value",
  unrealized: "unrealized_pnl",
  day: "daily_change",
  delta: "leg_delta",
  gamma: "leg_gamma",
  theta: "leg_theta",
  vega: "leg_vega",
  source: "greeks_source",
};
const GROUP_FIELD = {
  value: "market_value",
  day: "daily_change",
  delta: "delta",
  gamma: "gamma",
  theta: "theta",
  vega: "vega",
};
const TEXT_COLUMNS = new Set(["account", "source"]);

export class PositionsTable {
  #panel;
  #table;
  #mould;
  #rows = new Map();
  #groups = new Map();
  #sort = null;
  #filter = "";

  constructor(panel, mould) {
    this.#panel = panel;
    this.#table = panel.querySelector("table");
    this.#mould = mould.content;
    for (const body of this.#table.tBodies) {
      this.#groups.set(body.dataset.underlying, { body, fields: fieldsOf(body.rows[0]) });
      for (const row of [...body.rows].slice(1)) this.#adopt(row, body.dataset.underlying);
    }
    for (const heading of this.#table.tHead.querySelectorAll("th[data-column]")) {
      heading.setAttribute("aria-sort", "none");
      const { column } = heading.dataset;
      heading.querySelector("button").addEventListener("click", () => {
        const same = this.#sort?.column === column;
        // Words start from A, numbers from the largest.
        const first = column === "contract" || TEXT_COLUMNS.has(column) ? 1 : -1;
        this.#sortBy(column, same ? -this.#sort.direction : first);
        this.#remember();
      });
    }
    const filter = panel.querySelector("input[type=search]");
    filter.addEventListener("input", () => {
      this.#filter = filter.value;
      this.#showMatching(true);
      this.#remember();
    });
    const asked = new URLSearchParams(location.search);
    filter.value = asked.get("filter") ?? filter.value;
    this.#filter = filter.value;
    if (this.#filter) this.#showMatching(true);
    const [, sign, column] = /^(-?)(.*)$/.exec(asked.get("sort") ?? "");
    if (this.#heading(column)) this.#sortBy(column, sign ? -1 : 1);
    this.#remember();
    openGroupsOnClick(this.#table);
    const scroll = this.#table.parentElement;
    const fit = () => {
      scroll.toggleAttribute("data-scrolls", this.#table.offsetWidth > scroll.clientWidth + 1);
    };
    const observer = new ResizeObserver(fit);
    observer.observe(scroll);
    observer.observe(this.#table);
  }

  /** Write rows; with `whole`, remove rows not among them. */
  update(positions, { removed = [], whole = false, byUnderlying = null } = {}) {
    let moved = false;
    const gone = new Set(removed);
    if (whole) {
      for (const id of this.#rows.keys()) gone.add(id);
      for (const row of positions) gone.delete(row.id);
    }
    for (const id of gone) moved = this.#remove(id) || moved;
    for (const row of positions) moved = this.#write(row) || moved;
    if (byUnderlying) this.#writeGroups(byUnderlying);
    if (moved) {
      this.#arrange();
      this.#showMatching(false);
    }
    setHidden(this.#panel.querySelector('[data-part="no-positions"]'), this.#rows.size > 0);
  }

  #adopt(element, underlying) {
    const fields = fieldsOf(element);
    this.#rows.set(element.dataset.position, { element, fields, underlying });
  }

  #write(row) {
    const known = this.#rows.get(row.id);
    if (known) {
      writePosition(known.element, row, known.fields);
      return false;
    }
    const element = this.#mould.querySelector("[data-position]").cloneNode(true);
    element.dataset.position = row.id;
    element.querySelector("th a").setAttribute("href", `/trades/position/${row.id}`);
    writePosition(element, row);
    this.#group(row.group).body.append(element);
    this.#adopt(element, row.group);
    return true;
  }

  #remove(id) {
    const row = this.#rows.get(id);
    if (!row) return false;
    row.element.remove();
    this.#rows.delete(id);
    const group = this.#groups.get(row.underlying);
    if (group.body.rows.length === 1) {
      group.body.remove();
      this.#groups.delete(row.underlying);
    }
    return true;
  }

  #group(underlying) {
    let group = this.#groups.get(underlying);
    if (!group) {
      const body = this.#mould.querySelector("[data-underlying]").cloneNode(true);
      body.dataset.underlying = underlying;
      showGroup(body);
      const fields = fieldsOf(body.rows[0]);
      setText(fields.get("underlying"), underlying);
      this.#table.append(body);
      group = { body, fields };
      this.#groups.set(underlying, group);
    }
    return group;
  }

  #writeGroups(subtotals) {
    for (const row of subtotals) {
      const group = this.#groups.get(row.underlying);
      if (!group) continue;
      for (const [name, cell] of group.fields) GROUP[name]?.(cell, row[name]);
    }
  }

  #heading(column) {
    return [...this.#table.tHead.querySelectorAll("th[data-column]")].find(
      (heading) => heading.dataset.column === column,
    );
  }

  #sortBy(column, direction) {
    this.#sort = { column, direction };
    for (const heading of this.#table.tHead.querySelectorAll("th[aria-sort]")) {
      const order = direction === 1 ? "ascending" : "descending";
      heading.setAttribute("aria-sort", heading === this.#heading(column) ? order : "none");
    }
    this.#arrange();
  }

  /** Write sort and filter into the address, and into the links to other accounts. */
  #remember() {
    const sort = this.#sort ? `${this.#sort.direction === 1 ? "" : "-"}${this.#sort.column}` : "";
    const said = (address) => {
      const url = new URL(address);
      for (const [name, value] of [["sort", sort], ["filter", this.#filter]]) {
        if (value) url.searchParams.set(name, value);
        else url.searchParams.delete(name);
      }
      return url;
    };
    history.replaceState(history.state, "", said(location));
    for (const link of document.querySelectorAll(".page-head .choices a")) link.href = said(link.href);
  }

  #arrange() {
    const { column, direction } = this.#sort ?? { column: "contract", direction: 1 };
    const field = SORT_FIELD[column] ?? column;
    const compare = column === "contract" ? compareKeys : compareBy(column);
    const rowsOf = new Map([...this.#groups.keys()].map((name) => [name, []]));
    for (const row of this.#rows.values()) {
      const text = row.fields.get(field)?.textContent ?? "";
      rowsOf.get(row.underlying).push({ ...row, text, key: row.element.dataset.key });
    }
    for (const [name, rows] of rowsOf) {
      rows.sort((a, b) => compare(a, b, direction));
      const { body } = this.#groups.get(name);
      body.append(body.rows[0], ...rows.map((row) => row.element));
    }
    const groups = [...this.#groups.entries()].map(([name, group]) => ({
      group,
      name,
      text: group.fields.get(GROUP_FIELD[column])?.textContent ?? "",
    }));
    const byName = (a, b, sign) => sign * compareText(a.name, b.name);
    const groupOrder = GROUP_FIELD[column] ? compareBy(column) : byName;
    const groupDirection = GROUP_FIELD[column] || column === "contract" ? direction : 1;
    groups.sort((a, b) => groupOrder(a, b, groupDirection) || byName(a, b, 1));
    this.#table.append(...groups.map((entry) => entry.group.body));
  }

  #showMatching(announce) {
    const words = this.#filter.toLowerCase().split(/\s+/).filter(Boolean);
    // What matches is shown, open or not.
    this.#table.toggleAttribute("data-filtered", words.length > 0);
    let shown = 0;
    for (const { body } of this.#groups.values()) {
      let any = false;
      for (const element of [...body.rows].slice(1)) {
        const match = matches(element, words);
        setHidden(element, !match);
        any ||= match;
        shown += match ? 1 : 0;
      }
      setHidden(body, !any);
    }
    const nothing = this.#rows.size > 0 && shown === 0;
    setHidden(this.#panel.querySelector('[data-part="no-match"]'), !nothing);
    if (announce) {
      const status = this.#panel.querySelector('[data-part="filter-status"]');
      status.textContent = words.length ? `${shown} of ${this.#rows.size} positions shown` : "";
    }
  }
}

function matches(row, words) {
  if (words.length === 0) return true;
  const text = ["contract", "detail", "account_id"]
    .map((name) => row.querySelector(`[data-field="${name}"]`).textContent)
    .join(" ")
    .toLowerCase();
  const right = { C: " call", P: " put" }[row.dataset.key.split("|")[2]] ?? "";
  const parts = (text + right).split(/[\s·]+/);
  return words.every((word) => parts.some((part) => part.startsWith(word)));
}

const compareText = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

function parsed(text) {
  return Number.parseFloat(text.replace(format.MINUS, "-").replaceAll(",", ""));
}

/** Compare by what the cell shows; a missing value comes last in both directions. */
function compareBy(column) {
  if (TEXT_COLUMNS.has(column)) return (a, b, sign) => sign * compareText(a.text, b.text);
  return (a, b, sign) => {
    const [left, right] = [parsed(a.text), parsed(b.text)];
    if (Number.isNaN(left) || Number.isNaN(right)) {
      return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
    }
    return sign * (left - right);
  };
}

function compareKeys(a, b, sign) {
  const [expiryA, strikeA, rightA] = a.key.split("|");
  const [expiryB, strikeB, rightB] = b.key.split("|");
  const order =
    compareText(expiryA, expiryB) ||
    Number(strikeA) - Number(strikeB) ||
    compareText(rightA, rightB);
  return sign * order;
}
