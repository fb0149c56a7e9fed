// The page's charts: what each draws of a body of /api/gex and of a day's history.

import { day, number, strike } from "../base/format.js";
import { MarkedPlot } from "../charts/marked_plot.js";
import { Times } from "../charts/plotting.js";

// Strikes at either end with less than this share of the exposure are left out.
const TAIL = 0.01;
// Snapshots are five minutes apart; a longer step than this, in seconds, is a gap.
const LONGEST_STEP = 15 * 60;
// Steps of an axis of times, in seconds.
const MINUTES = [5, 10, 15, 30, 60, 120, 240].map((minutes) => minutes * 60);
const CALLS_PUTS = [
  { name: "Calls", colour: "call" },
  { name: "Puts", colour: "put" },
];
const WITH_AND_WITHOUT = [
  { name: "All expiries", colour: "accent" },
  { name: "Without today's", colour: "warn", dash: true },
];

export class Figures {
  #plots = {};
  #days = [];
  #times;

  constructor(root, zone) {
    this.#times = new Times(zone);
    const time = (at) => this.#times.minute(at);
    const overTime = { heading: "Time", kind: "lines", place: time, isNewestFirst: true, steps: MINUTES };
    const overStrikes = { heading: "Strike", kind: "bars", place: strike };
    const net = [{ name: "Net", colour: "accent" }];
    const kinds = {
      strikes: { ...overStrikes, label: "Gamma exposure by strike", series: CALLS_PUTS },
      vanna: { ...overStrikes, label: "Vanna exposure by strike", series: net },
      charm: { ...overStrikes, label: "Charm exposure by strike", series: net },
      profile: {
        heading: "Spot",
        kind: "lines",
        place: (at) => number(at, 2),
        axis: (places) => places.map(strike),
        label: "Net gamma exposure over the spot",
        series: WITH_AND_WITHOUT,
      },
      expiries: {
        heading: "Expiry",
        kind: "bars",
        place: (at) => day(this.#days[at]) ?? "",
        // Without the year: the table and the read-out name it.
        axis: (places) => places.map((at) => (day(this.#days[at]) ?? "").replace(/ \d+$/, "")),
        step: 1,
        steps: [1, 2, 3, 4, 6, 12],
        label: "Gamma exposure by expiry",
        series: CALLS_PUTS,
      },
      net: { ...overTime, fromZero: false, label: "Net gamma exposure over the day", series: WITH_AND_WITHOUT },
      levels: {
        ...overTime,
        label: "Zero gamma, walls and spot over the day",
        series: [
          { name: "Zero gamma", colour: "accent" },
          { name: "Spot", colour: "warn", dash: true },
          { name: "Call wall", colour: "call" },
          { name: "Put wall", colour: "put" },
        ],
        value: (value) => number(value, 2),
        fromZero: false,
      },
    };
    for (const figure of root.querySelectorAll("[data-figure]")) {
      const name = figure.dataset.figure;
      this.#plots[name] = new MarkedPlot(figure, { nothing: "No exposure", ...kinds[name] });
    }
  }

  /** A body of /api/gex. */
  draw(body) {
    const { detail, spot } = body;
    if (!detail) {
      for (const name of ["strikes", "vanna", "charm", "profile", "expiries"]) {
        this.#plots[name].clear("This source gives sums only");
      }
      return;
    }
    const marks = marksOf(body);
    const shown = exposed(detail.by_strike);
    const pick = (column) => shown.map((index) => detail.by_strike[column][index]);
    const places = pick("strike");
    this.#plots.strikes.draw([places, pick("call"), pick("put")], marks, spot);
    const [spotMark] = marks;
    this.#plots.vanna.draw([places, pick("vanna")], [spotMark], spot);
    this.#plots.charm.draw([places, pick("charm")], [spotMark], spot);
    const { level, net, without_zero_dte: without } = detail.profile;
    const crossings = body.zero_gamma.crossings.map((at) => ({ at, text: "zero", colour: "accent", dash: true }));
    this.#plots.profile.draw([level, net, without], [spotMark, ...crossings], spot);
    const { expiry, call, put } = detail.by_expiry;
    this.#days = expiry;
    this.#plots.expiries.draw([expiry.map((_, index) => index), call, put], [], 0);
  }

  /** A body of /api/gex/history. */
  drawDay(history) {
    const at = history.at.map((instant) => Date.parse(instant) / 1000);
    const { gamma_exposure: net, gamma_without_zero_dte: without, zero_gamma: zero, spot } = history;
    const { call_wall: callWall, put_wall: putWall } = history;
    const [times, ...drawn] = withGaps([at, net, without, zero, spot, callWall, putWall]);
    this.#plots.net.draw([times, ...drawn.slice(0, 2)]);
    this.#plots.levels.draw([times, ...drawn.slice(2)]);
  }

  fail(message) {
    for (const plot of Object.values(this.#plots)) if (!plot.isDrawn) plot.clear(message);
  }
}

/** Columns of a day, with a row of nothing in each gap: no line leads through what nobody saw. */
function withGaps([times, ...columns]) {
  const rows = times.flatMap((at, index) => {
    const row = [at, ...columns.map((column) => column[index])];
    const before = times[index - 1];
    return at - before > LONGEST_STEP ? [[(at + before) / 2, ...columns.map(() => null)], row] : [row];
  });
  return [times, ...columns].map((_, place) => rows.map((row) => row[place]));
}

/** Spot first, then zero gamma and walls. */
function marksOf({ spot, zero_gamma: { level }, call_wall: callWall, put_wall: putWall }) {
  return [
    { at: spot, text: "spot", colour: "warn" },
    { at: level, text: "zero gamma", colour: "accent", dash: true },
    { at: callWall, text: "call wall", colour: "call", dash: true },
    { at: putWall, text: "put wall", colour: "put", dash: true },
  ];
}

/** The places of the strikes with nearly all of the exposure: far ones would squeeze the others. */
function exposed({ call, put }) {
  const sizes = call.map((value, index) => Math.abs(value ?? 0) + Math.abs(put[index] ?? 0));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const all = sizes.map((_, index) => index);
  if (!total) return all;
  let passed = 0;
  return all.filter((index) => {
    const before = passed;
    passed += sizes[index];
    return passed >= total * TAIL && before <= total * (1 - TAIL);
  });
}
