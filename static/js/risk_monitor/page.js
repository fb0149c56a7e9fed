// The risk monitor's script: takes over the rendered page and keeps it live.

import { Clock, keepAges, writeAges } from "../base/ages.js";
import { setAge, setHidden, tell, tellLoggedOut } from "../base/cells.js";
import { DayChart, DaySeries } from "../charts/day_chart.js";
import { LiveFeed } from "../base/live.js";
import { PositionsTable } from "./positions.js";
import { Accounts, Strip, Sums, Worst } from "./summary.js";
import { SyncButton } from "./sync.js";

const page = document.querySelector("[data-risk-monitor]");
const part = (name, root = page) => root.querySelector(`[data-part="${name}"]`);
const mould = (name) => document.getElementById(`${name}-mould`);

const clock = new Clock(page);
keepAges(clock);

const strip = new Strip(page);
const worst = new Worst(page);
const accounts = new Accounts(part("accounts"), mould("account"));
const positions = new PositionsTable(part("positions"), mould("position"));
const byExpiry = new Sums(part("by-expiry"), mould("by-expiry"), "expiry");
const byUnderlying = new Sums(part("by-underlying"), mould("by-underlying"), "underlying");

// --- Charts -----------------------------------------------------------------------------------
const series = new DaySeries();
const charts = [
  new DayChart(page.querySelector('[data-chart="net_liquidation"]'), series, {
    net_liquidation: 2,
  }),
  new DayChart(page.querySelector('[data-chart="greeks"]'), series, {
    dollar_delta: 0,
    dollar_gamma: 0,
    theta: 2,
    vega: 2,
  }),
];
let historyLoaded = false;

async function loadHistory() {
  try {
    const answer = await fetch(page.dataset.historyUrl, { signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const body = await answer.json();
    series.load(body.series);
    historyLoaded = true;
    for (const chart of charts) chart.draw();
  } catch {
    for (const chart of charts) chart.fail("The history could not be loaded");
  }
}

// --- Rendering: the newest of everything, once a frame -------------------------------------------
const pending = { accounts: new Map(), positions: new Map(), removed: new Set(), whole: false };
let latest = null;
let scheduled = false;

function schedule() {
  if (scheduled) return;
  scheduled = true;
  // A hidden page gets no frames; it catches up, once, when it is looked at again.
  requestAnimationFrame(render);
}

function take(data, { whole, asOf }) {
  if (whole) {
    pending.accounts.clear();
    pending.positions.clear();
    pending.removed.clear();
    pending.whole = true;
  }
  for (const row of data.accounts) pending.accounts.set(row.account_id, row);
  for (const row of data.positions) {
    pending.positions.set(row.id, row);
    pending.removed.delete(row.id);
  }
  for (const id of data.removed ?? []) {
    pending.removed.add(id);
    pending.positions.delete(id);
  }
  // A change without scenarios leaves the last ones as they are.
  latest = { scenarios: latest?.scenarios, ...data, as_of: asOf };
  clock.set(data.clock);
  // The history is kept by the market's clock, which stands still with a recorded chain.
  const at = data.clock.frozen ? data.clock.now : asOf;
  if (historyLoaded && at && data.totals.net_liquidation !== null) series.append(at, data.totals);
  schedule();
}

function render() {
  scheduled = false;
  const { totals } = latest;
  strip.update(totals);
  if (latest.scenarios) worst.update(latest.scenarios.worst);
  accounts.update([...pending.accounts.values()], { whole: pending.whole });
  positions.update([...pending.positions.values()], {
    removed: [...pending.removed],
    whole: pending.whole,
    byUnderlying: totals.by_underlying,
  });
  byExpiry.update(totals.by_expiry);
  byUnderlying.update(totals.by_underlying);
  if (historyLoaded) for (const chart of charts) chart.draw();
  setHidden(page.querySelector('.page-head [data-flag="stale"]'), !latest.stale);
  setHidden(page.querySelector('.page-head [data-flag="refreshing"]'), !latest.refreshing);
  setAge(page.querySelector('.page-head [data-field="as_of"]'), latest.as_of);
  setHidden(part("simulated", document), !latest.simulated);
  setHidden(part("empty"), Boolean(latest.as_of));
  writeAges(clock);
  pending.accounts.clear();
  pending.positions.clear();
  pending.removed.clear();
  pending.whole = false;
}

// --- Problems, sync, connection -------------------------------------------------------------------
const sync = new SyncButton(part("sync"), {
  status: part("sync-status"),
  steps: part("sync-steps"),
  nameOf: (accountId) => accounts.nameOf(accountId),
  onProblem: (...told) => tell(page, ...told),
  onProgress: (progress) => accounts.progress(progress),
  onFinished: () => {
    if (!feed.isOpen) feed.refresh();
  },
});

const { accountId } = page.dataset;
const query = accountId ? `?account_id=${encodeURIComponent(accountId)}` : "";
let wasLive = false;

const feed = new LiveFeed({
  socketPath: `/ws/portfolio${query}`,
  bodyPath: `/api/portfolio/risk-monitor/fast${query}`,
  version: page.dataset.version,
  onSnapshot: (body) => take(body, { whole: true, asOf: body.as_of }),
  onChange: (data, frame) => take(data, { whole: false, asOf: frame.as_of }),
  onFrame: (frame) => {
    if (frame.type !== "sync.progressed") return;
    accounts.progress(frame.data);
    sync.progressed(frame.data);
    const waiting = part("empty").querySelector("progress");
    if (waiting) waiting.value = frame.data.progress;
  },
  connection: part("connection", document),
  onState: (state) => {
    if (state === "ended") tellLoggedOut(page);
    if (state !== "live") return;
    // Minutes that passed while the line was down are in the history.
    if (wasLive) loadHistory();
    wasLive = true;
  },
});

loadHistory();
feed.start();
