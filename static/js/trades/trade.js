// The page of one trade: profit and Greeks over its life with the fills marked, and its payoff.

import { sourceName } from "../base/cells.js";
import { number, quantity } from "../base/format.js";
import { MarkedPlot } from "../charts/marked_plot.js";
import { Times } from "../charts/plotting.js";

const DAY = 86_400;
const STEPS = [
  ...[5, 10, 15, 30, 60, 120, 240].map((minutes) => minutes * 60),
  ...[1, 2, 5, 10, 20, 50, 100, 200].map((days) => days * DAY),
];
const GREEKS = {
  delta: { name: "Delta", digits: 2 },
  gamma: { name: "Gamma", digits: 4 },
  theta: { name: "Theta", digits: 2 },
  vega: { name: "Vega", digits: 2 },
  underlying: { name: "Underlying", digits: 2 },
};
const PAYOFFS = {
  opened: { name: "At expiry, as opened", colour: "accent" },
  open: { name: "At expiry, what is open", colour: "accent", dash: true },
  now: { name: "Today", colour: "warn" },
};

const figureOf = (name) => document.querySelector(`[data-chart="${name}"]`);
const instant = (at) => Date.parse(at) / 1000;

async function body(figure) {
  const answer = await fetch(figure.closest("[data-source]").dataset.source);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

// --- Over its life ------------------------------------------------------------------------------------
class Life {
  #times;
  #at;
  #life;
  #notes;
  #marks;
  #greek = "delta";

  constructor(life, zone) {
    this.#times = new Times(zone);
    this.#life = life;
    this.#at = life.series.at.map(instant);
    this.#notes = this.#notesOf(life.fills);
    this.#marks = this.#marksOf();
  }

  drawProfit(figure) {
    const plot = new MarkedPlot(figure, {
      ...this.#options("Profit over the life of the trade"),
      series: [{ name: "Profit", colour: "accent" }],
      value: (value) => number(value, 2),
    });
    this.#draw(plot, this.#life.series.pnl, "No prices for all its legs");
  }

  drawGreeks(figure) {
    const plot = new MarkedPlot(figure, this.#options(""));
    const show = () => {
      const { name, digits } = GREEKS[this.#greek];
      plot.use({
        label: `${name} over the life of the trade`,
        series: [{ name, colour: "accent" }],
        value: (value) => number(value, digits),
        fromZero: this.#greek !== "underlying",
      });
      this.#draw(plot, this.#life.series[this.#greek], `${name} is not known for all its legs`);
    };
    for (const radio of figure.querySelectorAll('input[type="radio"]')) {
      radio.addEventListener("change", () => {
        this.#greek = radio.value;
        show();
      });
    }
    show();
  }

  #draw(plot, values, nothing) {
    if (values.some((value) => value !== null)) plot.draw([this.#at, values], this.#marks);
    else plot.clear(nothing);
  }

  #options(label) {
    const [first, last] = [this.#at[0], this.#at.at(-1)];
    return {
      label,
      heading: "Time",
      kind: "lines",
      isNewestFirst: true,
      series: [],
      steps: STEPS,
      place: (at) => this.#times.moment(at),
      axis: (places) =>
        places.map((at) => (last - first > 2 * DAY ? this.#times.dayOfYear(at) : this.#times.minute(at))),
      note: (index) => this.#notes.get(index) ?? "",
      noteHeading: "Fills",
    };
  }

  /** What was filled, by the point at or after it. */
  #notesOf(fills) {
    const notes = new Map();
    for (const fill of fills) {
      const index = this.#at.findIndex((at) => at >= instant(fill.at));
      if (index < 0 || instant(fill.at) < this.#at[0] - DAY) continue;
      const how = fill.kind === "trade" ? "" : ` by ${fill.kind.replaceAll("_", " ")}`;
      const text = `${fill.role}s ${quantity(fill.quantity)} ${fill.symbol}${how}`;
      notes.set(index, notes.has(index) ? `${notes.get(index)}; ${text}` : text);
    }
    return notes;
  }

  /** One mark for the fills of a point. */
  #marksOf() {
    return [...this.#notes].map(([index, text]) => ({
      at: this.#at[index],
      text: text.startsWith("open") ? "opens" : "closes",
      colour: text.startsWith("open") ? "accent" : "warn",
      dash: true,
    }));
  }
}

/** What stands beside the charts: how much of the trade's life is known, and from whom. */
function tellLife({ seen, expected, minutes_a_point: minutes, price_sources: prices, greek_sources: greeks }) {
  const note = document.querySelector('[data-part="life-note"]');
  const every = minutes === 1 ? "minutes" : `points of ${minutes} minutes`;
  const sources = [
    prices.length ? `prices from ${prices.map(sourceName).join(", ")}` : "",
    greeks.length ? `Greeks from ${greeks.map(sourceName).join(", ")}` : "",
  ].filter(Boolean);
  note.textContent = [`Marks in ${number(seen, 0)} of ${number(expected, 0)} ${every}`, ...sources].join("; ");
}

// --- Payoff -------------------------------------------------------------------------------------------
function drawPayoff(figure, payoff) {
  const shown = Object.entries(PAYOFFS).filter(([name]) => payoff[name]);
  const note = document.querySelector('[data-part="payoff-note"]');
  note.textContent = payoff.lacking.join(" ");
  note.hidden = payoff.lacking.length === 0;
  for (const key of document.querySelectorAll("[data-payoff-key]")) key.hidden = !payoff[key.dataset.payoffKey];
  const plot = new MarkedPlot(figure, {
    label: "Profit over the price of the underlying",
    heading: "Underlying",
    kind: "lines",
    place: (at) => number(at, 2),
    value: (value) => number(value, 2),
    series: shown.map(([, series]) => series),
  });
  if (!shown.length) {
    plot.clear("No payoff is known");
    return;
  }
  const strikes = payoff.strikes.map((at) => ({ at, text: number(at, at % 1 ? 2 : 0), colour: "faint", dash: true }));
  const spot = payoff.spot === null ? [] : [{ at: payoff.spot, text: "now", colour: "warn" }];
  plot.draw([payoff.underlying, ...shown.map(([name]) => payoff[name])], [...spot, ...strikes], payoff.spot);
}

const profit = figureOf("life");
const greeks = figureOf("greeks");
const payoff = figureOf("payoff");
const failed = (figure) => () => new MarkedPlot(figure, { series: [] }).clear("The figures could not be read");

body(profit)
  .then((life) => {
    const drawn = new Life(life, profit.dataset.timeZone);
    drawn.drawProfit(profit);
    drawn.drawGreeks(greeks);
    tellLife(life);
  })
  .catch(failed(profit));
body(payoff)
  .then((found) => drawPayoff(payoff, found))
  .catch(failed(payoff));
