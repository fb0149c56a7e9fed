// The list of trades by keyboard: j and k step, Enter opens, x chooses, / goes to the filter.

import * as format from "../base/format.js";
import { LiveFeed } from "../base/live.js";
import { Parts } from "../base/parts.js";

const rows = () => [...document.querySelectorAll("[data-trade]")];
const linkOf = (row) => row.querySelector("th a");

function current() {
  return document.activeElement?.closest?.("[data-trade]") ?? null;
}

function step(by) {
  const all = rows();
  const from = all.indexOf(current());
  const to = from < 0 ? 0 : Math.min(all.length - 1, Math.max(0, from + by));
  if (!all[to]) return;
  linkOf(all[to]).focus();
  all[to].scrollIntoView({ block: "nearest" });
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  x: () => {
    const box = current()?.querySelector('input[type="checkbox"]');
    if (box) box.checked = !box.checked;
  },
  "/": () => {
    document.querySelector(".page-filter details").open = true;
    document.getElementById("underlying").focus();
  },
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.('input:not([type="checkbox"]), select, textarea');
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// --- New fills ----------------------------------------------------------------------------------------
// They are told at once; the list and the sums are read again and put in place.
const panel = document.querySelector("[data-newest]");
const known = new Set();
let isFirst = true;

function line(fill) {
  const item = document.createElement("li");
  item.dataset.fill = fill.id;
  const what = fill.side ? fill.side.toLowerCase() : fill.kind.replaceAll("_", " ");
  const at = fill.price === null ? "" : ` at ${format.price(fill.price)}`;
  const quantity = format.quantity(Math.abs(fill.quantity));
  item.textContent = `${fill.symbol}: ${what} ${quantity}${at}, ${fill.account_id}`;
  return item;
}

const parts = new Parts();

function readAgain() {
  parts.put(location.pathname + location.search, ["trades-totals", "trades-part"]).catch(() => {});
}

function take(body) {
  const fresh = body.fills.filter((fill) => !known.has(fill.id));
  for (const fill of fresh) known.add(fill.id);
  if (!isFirst && fresh.length > 0) {
    panel.hidden = false;
    panel.querySelector("ul").prepend(...fresh.map(line));
  }
  if (!isFirst) readAgain();
  isFirst = false;
}

const account = panel.dataset.account;
const query = account ? `?account_id=${encodeURIComponent(account)}` : "";
new LiveFeed({
  name: "trades",
  changes: ["trades.changed"],
  socketPath: `/ws/trades${query}`,
  bodyPath: `/api/trades/newest${query}`,
  version: null,
  onSnapshot: take,
  onChange: take,
  connection: document.querySelector('[data-part="connection"]'),
}).start();
