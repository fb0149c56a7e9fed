// What answers cost, minute by minute: a chart of /api/monitoring.

import { DayChart, DaySeries } from "../charts/day_chart.js";

const EVERY = 30_000;
const DIGITS = { p95_response_time: 1, avg_response_time: 1, requests: 0, cache_hit_rate: 0 };

export function keepResponsesDrawn(figure) {
  const series = new DaySeries();
  const chart = new DayChart(figure, series, DIGITS);

  async function draw() {
    if (document.hidden) return;
    try {
      const answer = await fetch("/api/monitoring");
      if (!answer.ok) throw new Error(String(answer.status));
      const { history } = await answer.json();
      // Without a request there is no time, and no hit: a gap.
      history.cache_hit_rate = history.cache_hit_rate.map((rate) => rate && rate * 100);
      series.load(history);
      chart.draw();
    } catch {
      chart.fail("Not known now");
    }
  }

  draw();
  setInterval(draw, EVERY);
  document.addEventListener("visibilitychange", draw);
}
