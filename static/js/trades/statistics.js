// The page of statistics: the curve of realised profit, by day.

import { number } from "../base/format.js";
import { DayCurve } from "../charts/day_curve.js";

const figure = document.querySelector('[data-chart="profit"]');
if (figure) {
  const { at, cumulative, net } = JSON.parse(document.querySelector("[data-curve]").dataset.curve);
  const curve = new DayCurve(figure, {
    label: "Realised profit, summed by day",
    caption: "Realised profit, newest first",
    empty: "Nothing was realised in these days",
  });
  curve.show(at, [
    { heading: "Summed", values: cumulative, write: number },
    { heading: "That day", values: net, write: number, note: "that day" },
  ]);
}
