// A chart of made-up minutes with a gap, for the style guide.

import { Clock, keepAges } from "../base/ages.js";
import { DayChart, DaySeries } from "../charts/day_chart.js";

const clock = new Clock();
keepAges(clock);

const MINUTES = 240;
const GAP = [100, 125];
const start = Math.floor(Date.now() / 60_000 - MINUTES) * 60_000;
const at = [];
const values = [];
for (let minute = 0; minute < MINUTES; minute += 1) {
  if (minute > GAP[0] && minute < GAP[1]) continue;
  at.push(new Date(start + minute * 60_000).toISOString());
  values.push(1_284_000 + 2_500 * Math.sin(minute / 35) + 400 * Math.sin(minute / 4));
}

const series = new DaySeries();
series.load({ at, example: values });
new DayChart(document.querySelector('[data-chart="example"]'), series, { example: 2 }).draw();
