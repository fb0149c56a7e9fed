// The page of statistics: the curve of realised profit, by day, and the curves of the accounts.

import { number } from "../base/format.js";
import { drawAccountCurves } from "../charts/account_curves.js";
import { DayCurve } from "../charts/day_curve.js";

const figure = document.querySelector('[data-chart="profit"]');
if (figure) {
  const { at, cumulative, net } = JSON.parse(figure.closest("[data-curve]").dataset.curve);
  const curve = new DayCurve(figure, {
    label: "Realised profit, summed by day",
    caption: "Realised profit, newest first",
    empty: "Nothing was realised in these days",
  });
  curve.draw(at, [
    { heading: "Summed", values: cumulative, write: number },
    { heading: "That day", values: net, write: number, note: "that day" },
  ]);
}
drawAccountCurves("statistics");
