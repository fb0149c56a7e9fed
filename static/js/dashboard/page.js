// The dashboard: each part is read again when it changed, when it was late, or when asked for.

import { Clock, keepAges } from "../base/ages.js";
import { number, points, signed } from "../base/format.js";
import { LiveFeed } from "../base/live.js";
import { Swaps } from "../base/swap.js";
import { DayCurve } from "../charts/day_curve.js";

const NO_VALUE = "–";
const root = document.querySelector("[data-dashboard]");
const clock = new Clock(root);
keepAges(clock);

// --- Curves ---------------------------------------------------------------------------------------
const or = (write) => (value) => write(value) ?? NO_VALUE;
const CURVES = {
  pnl_curve: {
    label: "Profit and loss, summed by day",
    caption: "Profit and loss, newest first",
    empty: "No day of these has a balance or a closed lot",
    columns: ({ data_points: rows }) => [
      { heading: "Summed", values: rows.map((row) => row.pnl), write: or(number) },
      { heading: "That day", values: rows.map((row) => row.change), write: or(signed), note: "that day" },
    ],
    days: ({ data_points: rows }) => rows.map((row) => row.date),
  },
  daily_returns: {
    label: "Return of each day",
    caption: "Returns, newest first",
    empty: "No day of these has a return",
    bars: true,
    columns: ({ returns: rows }) => [
      { heading: "Return", values: rows.map((row) => row.return_pct), write: or(points) },
    ],
    days: ({ returns: rows }) => rows.map((row) => row.date),
  },
};
const drawn = new WeakMap();

function drawCurves() {
  for (const [name, options] of Object.entries(CURVES)) {
    const section = document.getElementById(`dashboard-${name}`);
    const figure = section?.querySelector("[data-chart]");
    if (!figure) continue;
    const before = drawn.get(figure);
    const text = section.dataset.curve;
    if (before?.text === text) continue;
    const curve = before?.curve ?? new DayCurve(figure, options);
    const body = JSON.parse(text);
    curve.show(options.days(body), options.columns(body));
    drawn.set(figure, { curve, text });
  }
}

// --- Parts ----------------------------------------------------------------------------------------
const swaps = new Swaps(root, { clock, placed: drawCurves });
const all = [...root.querySelectorAll('[id^="dashboard-"][aria-labelledby]')].map((each) =>
  each.id.replace("dashboard-", ""),
);
const OF_THE_BOOK = ["overnight", "decisions"];

/** Read parts again, each by itself: one that hangs keeps no other waiting. */
function readAgain(names) {
  const book = names.includes("positions") ? OF_THE_BOOK : [];
  for (const name of new Set([...names, ...book])) {
    if (all.includes(name)) swaps.put(location.pathname + location.search, [name]);
  }
}

readAgain([...root.querySelectorAll("[data-late]")].map((each) => each.id.replace("dashboard-", "")));
drawCurves();

// --- Live -----------------------------------------------------------------------------------------
let isFirst = true;
const query = root.dataset.account ? `?account_id=${encodeURIComponent(root.dataset.account)}` : "";
new LiveFeed({
  name: "dashboard",
  socketPath: `/ws/dashboard${query}`,
  bodyPath: `/api/dashboard${query}`,
  version: null,
  onSnapshot: () => {
    // The page itself is as new as the first.
    if (!isFirst) readAgain(all);
    isFirst = false;
  },
  onChange: (data) => readAgain(Object.keys({ ...data.sections, ...data.errors })),
  connection: document.querySelector('[data-part="connection"]'),
}).start();
