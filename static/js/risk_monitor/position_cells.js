// A position's row and an underlying's row: each cell with its writer.

import {
  fieldsOf,
  instrumentTypeName,
  legsWriter,
  numberBy,
  setAge,
  setChange,
  setNumber,
  setSource,
  setText,
  textWriter,
} from "../base/cells.js";
import * as format from "../base/format.js";

const GREEKS = ["delta", "gamma", "theta", "vega"];

const POSITION = {
  contract: textWriter,
  detail: textWriter,
  note: textWriter,
  account_id: textWriter,
  currency: textWriter,
  quantity: numberBy(format.quantity),
  avg_price: numberBy(format.price),
  price: numberBy(format.price),
  price_as_of: setAge,
  price_source: (element, value) => setText(element, value === "model" ? value : value?.endsWith(" mid") ? "mid" : ""),
  market_value: numberBy(format.number, 0),
  value_conflict: (element, value) => setText(element, value ? "≠ broker" : ""),
  unrealized_pnl: (element, value) => setChange(element, value, 0),
  daily_change: (element, value) => setChange(element, value, 0),
  daily_change_percent: (element, value) => setText(element, format.points(value)),
  leg_delta: numberBy(format.number, 1),
  leg_gamma: numberBy(format.number, 3),
  leg_theta: numberBy(format.number, 2),
  leg_vega: numberBy(format.number, 2),
  delta: (element, value) => setText(element, format.number(value, 4)),
  gamma: (element, value) => setText(element, format.number(value, 5)),
  theta: (element, value) => setText(element, format.number(value, 4)),
  vega: (element, value) => setText(element, format.number(value, 4)),
  iv: (element, value, row) => {
    if (row.right) setNumber(element, value, format.percent(value));
    else setText(element, "");
  },
  open_interest: (element, value, row) => {
    setText(element, row.right ? format.number(value, 0) : "");
  },
  greeks_source: (element, value, row) => {
    if (row.right) {
      setSource(element, value, row.greeks_last_known);
    } else {
      setSource(element, null, false);
      setText(element, "");
    }
  },
  greeks_as_of: (element, value, row) => {
    setAge(element, row.right ? value : null);
    if (!row.right) setText(element, "");
  },
};

export const GROUP = {
  underlying: textWriter,
  legs: legsWriter,
  market_value: numberBy(format.number, 0),
  daily_change: (element, value) => setChange(element, value, 0),
  delta: numberBy(format.number, 1),
  gamma: numberBy(format.number, 3),
  theta: numberBy(format.number, 2),
  vega: numberBy(format.number, 2),
};

/** What is special about a contract, as `contract_note` there. */
function contractNote(row) {
  if (row.instrument_type === "event_contract") return "event contract";
  if (!row.right) return "";
  const unknown = row.instrument_type === "option" && !row.exercise_style;
  const future = row.future_expiry ? `future ${format.day(row.future_expiry)}` : "";
  const notes = [future, delivery(row), unknown ? "exercise style unknown, priced as American" : ""];
  return notes.filter(Boolean).join("; ");
}

function delivery(row) {
  if (row.deliverable === null) return "deliverable unknown";
  if (row.deliverable === row.multiplier && !row.deliverable_cash) return "";
  const cash = row.deliverable_cash
    ? ` + ${format.price(row.deliverable_cash)} ${row.currency}`
    : "";
  return `delivers ${format.strike(row.deliverable)}${cash}`;
}

/** An option's class where that is not the underlying's name, as `held_name` in names.py. */
function nameOf(row) {
  const root = /^([A-Z0-9][A-Z0-9./-]{0,5}) *\d{6}[CP]\d{8}$/.exec(row.symbol)?.[1];
  return root && root !== row.underlying.replace(/[ ./-]/g, "") ? root : row.underlying;
}

/** A position with what the table adds, as `shown_position` in portfolio/templatetags/book.py. */
export function shownPosition(row) {
  const size =
    row.quantity === null || row.deliverable === null ? null : row.quantity * row.deliverable;
  const shown = { ...row };
  for (const name of GREEKS) {
    // What is no option shows its delta only: zeros beside it say nothing.
    if (!row.right && name !== "delta") shown[name] = null;
    shown[`leg_${name}`] = size === null || shown[name] === null ? null : shown[name] * size;
  }
  const strike = format.strike(row.strike);
  shown.contract =
    row.right && strike !== null
      ? `${nameOf(row)} ${strike} ${row.right}`
      : row.symbol.replace(/^(\S+) \d{8}\b/, "$1");
  shown.detail = row.expiry
    ? `${format.day(row.expiry)} · ${row.dte}d`
    : instrumentTypeName(row.instrument_type);
  shown.note = contractNote(row);
  shown.key = `${row.expiry ?? ""}|${(strike ?? "").replaceAll(",", "")}|${row.right ?? ""}`;
  return shown;
}

export function writePosition(element, row, fields = fieldsOf(element)) {
  const shown = shownPosition(row);
  if (element.dataset.key !== shown.key) element.dataset.key = shown.key;
  for (const [name, cell] of fields) POSITION[name]?.(cell, shown[name], shown);
}
