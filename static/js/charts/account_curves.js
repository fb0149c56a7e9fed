// The curve and the returns of accounts: the same charts on the dashboard and beside the statistics.

import { number, points, signed } from "../base/format.js";
import { DayCurve } from "./day_curve.js";

const NO_VALUE = "–";
const or = (write) => (value) => write(value) ?? NO_VALUE;
const CURVES = {
  pnl_curve: {
    label: "Profit and loss, summed by day",
    caption: "Profit and loss, newest first",
    empty: "No balances or closed lots in these days",
    columns: ({ data_points: rows }) => [
      { heading: "Summed", values: rows.map((row) => row.pnl), write: or(number) },
      { heading: "That day", values: rows.map((row) => row.change), write: or(signed), note: "that day" },
      { heading: "Below the highest", values: rows.map((row) => row.drawdown), write: or(number) },
    ],
    days: ({ data_points: rows }) => rows.map((row) => row.date),
  },
  daily_returns: {
    label: "Return of each day",
    caption: "Returns, newest first",
    empty: "No returns in these days",
    bars: true,
    columns: ({ returns: rows }) => [
      { heading: "Return", values: rows.map((row) => row.return_pct), write: or(points) },
    ],
    days: ({ returns: rows }) => rows.map((row) => row.date),
  },
};
const drawn = new WeakMap();

/** Draw both where the page has them: `prefix` and the name are the section's id. */
export function drawAccountCurves(prefix) {
  for (const [name, options] of Object.entries(CURVES)) {
    const section = document.getElementById(`${prefix}-${name}`);
    const figure = section?.querySelector("[data-chart]");
    if (!figure) continue;
    const before = drawn.get(figure);
    const text = section.dataset.curve;
    if (before?.text === text) continue;
    const curve = before?.curve ?? new DayCurve(figure, options);
    const body = JSON.parse(text);
    curve.draw(options.days(body), options.columns(body));
    drawn.set(figure, { curve, text });
  }
}
