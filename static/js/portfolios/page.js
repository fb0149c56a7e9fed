// Portfolios: figures come by websocket as they are computed; the rest of the list is read again
// as the server renders it.

import { Clock, keepAges, writeAges } from "../base/ages.js";
import { fieldsOf, numberBy, setAge, setChange, tellLoggedOut, textWriter, writeFields } from "../base/cells.js";
import * as format from "../base/format.js";
import { LiveFeed } from "../base/live.js";
import { Swaps } from "../base/swap.js";

const page = document.querySelector("[data-portfolios]");
const clock = new Clock(page);
keepAges(clock);
const swaps = new Swaps(page, { clock });
const readAgain = () => swaps.put("/portfolios", ["figures"]);

const FIGURES = {
  currency: textWriter,
  value: numberBy(format.number),
  daily_change: (element, value) => setChange(element, value),
  daily_change_percent: numberBy(format.points),
  last_updated: setAge,
};
/** What a row shows besides: its name, accounts, notices and what is not counted. */
const restOf = (row) =>
  JSON.stringify(row, (name, value) => (name in FIGURES || name === "by_currency" ? null : value));

const held = new Map();

/** Write the figures; true if something else of the list is not as it is shown. */
function take(rows) {
  let differs = false;
  for (const row of rows) {
    const before = held.get(row.id);
    const element = page.querySelector(`[data-row="portfolio-${row.id}"]`);
    differs ||= !element || (before !== undefined && restOf(before) !== restOf(row));
    held.set(row.id, row);
    if (element) writeFields(fieldsOf(element), row, FIGURES);
  }
  writeAges(clock, page);
  // Tables that are open have figures too.
  return differs || page.querySelector("[data-figures][open]") !== null;
}

new LiveFeed({
  name: "portfolios",
  socketPath: "/ws/portfolio?view=portfolios",
  bodyPath: "/api/portfolio/portfolios",
  version: null,
  onSnapshot: (body) => {
    const ids = new Set(body.portfolios.map((row) => row.id));
    const gone = [...held.keys()].filter((id) => !ids.has(id));
    for (const id of gone) held.delete(id);
    if (take(body.portfolios) || gone.length > 0) readAgain();
  },
  onChange: (data) => {
    for (const id of data.removed) held.delete(id);
    if (take(data.portfolios) || data.removed.length > 0) readAgain();
  },
  connection: document.querySelector('[data-part="connection"]'),
  onState: (state) => {
    if (state === "ended") tellLoggedOut(page);
  },
}).start();

page.addEventListener(
  "toggle",
  ({ target }) => {
    if (target.open && target.matches("[data-figures]")) readAgain();
  },
  { capture: true },
);
