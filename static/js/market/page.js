// The market page's script: takes over the rendered page, keeps it live, and answers what is chosen.

import { Clock, keepAges, writeAges } from "../base/ages.js";
import { Refused, reasonOf } from "../base/asking.js";
import { setHidden, setText, sourceName, tell } from "../base/cells.js";
import { day, number } from "../base/format.js";
import { LiveFeed, showState } from "../base/live.js";
import { MarketAddress } from "./address.js";
import { MarketChain } from "./chain.js";
import { MarketCharts } from "./charts.js";
import { MarketFacts } from "./facts.js";
import { MarketPickers } from "./pickers.js";
import { MarketSeries } from "./series.js";
import { Times } from "../charts/plotting.js";
import { RangePair } from "../charts/range_pair.js";
import { StrikeChart } from "./strike_chart.js";

const ANSWER_WITHIN = 15_000;
// A thousand pages do not ask in one instant for what a minute has changed.
const SPREAD = 1500;
const SETTLED = 250;

const page = document.querySelector("[data-market]");
if (page) start();

function start() {
  const part = (name, root = page) => root.querySelector(`[data-part="${name}"]`);
  const clock = new Clock(page);
  keepAges(clock);

  const address = new MarketAddress(() => returned());
  const facts = new MarketFacts(page);
  const pickers = new MarketPickers(part("pickers"), choose);
  const chainTable = new MarketChain(
    part("chain"),
    document.getElementById("chain-row-mould"),
    address.get("measure"),
  );
  const strikeCharts = [...page.querySelectorAll("[data-strikes]")].map((figure) => new StrikeChart(figure));
  const charts = new MarketCharts(page, {
    times: new Times("UTC"),
    side: address.get("side"),
    onWindow: writeWindow,
  });
  let series = null;
  // undefined: not read yet; null: there is none.
  let chain;
  let chainPath = "";
  let times = new Times("UTC");
  let feed = null;
  let asking = new AbortController();
  // What was chosen and has not come yet; the address says what is shown.
  let wanted = {};

  address.drop(page.dataset.dropped.split(" ").filter(Boolean));

  // --- Asking -------------------------------------------------------------------------------------
  const chosen = (name) => (name in wanted ? wanted[name] : address.get(name));

  const isChosen = () => ({
    slug: chosen("instrument") ?? (chosen("instrument_key") ? page.dataset.slug : pickers.first("instrument")),
    expiry: chosen("expiry"),
    date: chosen("date"),
    resolution: chosen("resolution"),
    delta_min: chosen("delta_min"),
    delta_max: chosen("delta_max"),
  });

  /** The address of the figures; what is a default is not named, so that few bodies serve many. */
  function dataPath(chosen) {
    const defaults = { resolution: "1m", delta_min: "0", delta_max: "1" };
    const query = new URLSearchParams({ columns: "closes" });
    for (const [name, value] of Object.entries(chosen)) {
      if (value && value !== defaults[name]) query.set(name, value);
    }
    return `/market/data?${query}`;
  }

  async function ask(path, signal) {
    const answer = await fetch(path, { signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN)]) });
    if (!answer.ok) throw await Refused.by(answer);
    return answer.json();
  }

  /** Everything that the address chooses. A later call ends an earlier one. */
  async function load() {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    page.setAttribute("aria-busy", "true");
    try {
      const body = await ask(dataPath(isChosen()), signal);
      address.set(wanted);
      wanted = {};
      const isFirst = !series;
      follow(body);
      const isOther = !isFirst && pathOfChain(body) !== chainPath;
      // Nothing of another chain or day stands beside these minutes.
      if (isOther) noChain("The chain is loading.");
      take(body);
      chainPath = pathOfChain(body);
      pickers.show(body).then(() => named());
      // The first one is rendered already: it is read when somebody looks at it.
      if (isOther) await loadChain(signal);
      told("");
    } catch (error) {
      if (signal.aborted) return;
      const again = wanted;
      wanted = {};
      told(`${reasonOf(error)} The page shows the last known figures.`, () => choose(again));
      if (series) showShown();
      charts.fail("The minutes could not be loaded");
    } finally {
      if (asking.signal === signal) page.removeAttribute("aria-busy");
    }
  }

  /** After a choice that did not come, the pickers say again what the page shows. */
  function showShown() {
    pickers.show(series.body);
    showDelta();
  }

  /** The address of the chain beside a body: the latest poll, or of a past day the one kept. */
  function pathOfChain({ slug, expiry, date }) {
    const query = new URLSearchParams({ slug, expiry });
    const at = address.get("at");
    if (!followed || at) query.set("date", date);
    if (at) query.set("at", at);
    return `/api/market/chain?${query}`;
  }

  async function loadChain(signal = asking.signal) {
    try {
      chain = await ask(pathOfChain(series.body), signal);
      schedule();
    } catch (error) {
      if (signal.aborted) return;
      if (error.status !== 404) {
        // A chain that was read stays until the next one comes.
        if (!chain) noChain("The chain could not be read.");
        return;
      }
      // As NONE_POLLED and NONE_KEPT in greeks/market/chain_panel.py.
      noChain(followed ? "No chain has been polled yet." : "No chain of this day was kept.");
    }
  }

  /** Show no chain, and why. */
  function noChain(said) {
    chain = null;
    drawnChain = null;
    chainTable.clear();
    for (const chart of strikeCharts) chart.clear(said);
    pickers.showKept([]);
    setText(part("chain-note"), said);
    schedule();
  }

  function take(body) {
    const forming = series && isSame(body) ? series.forming : null;
    if (!series && chainInSight) setTimeout(refreshChain, 0, { atOnce: true });
    series = new MarketSeries(body);
    if (forming) series.sampled(forming);
    times = new Times(body.session?.zone ?? "UTC");
    charts.times = times;
    readWindow();
    schedule();
  }

  const isSame = (body) => ["slug", "expiry", "date"].every((name) => series.body[name] === body[name]);

  // --- Live ---------------------------------------------------------------------------------------
  const connection = part("connection", document);
  let followed = "";
  let refreshing = 0;

  function follow(body) {
    const isLive = body.date === (pickers.instrument?.session?.date ?? page.dataset.today);
    const wanted = isLive ? `${body.slug} ${body.expiry}` : "";
    if (feed) feed.options.bodyPath = dataPath(isChosen());
    if (wanted === followed) return;
    followed = wanted;
    feed?.stop();
    feed = null;
    if (!isLive) {
      showState(connection, "replay");
      return;
    }
    feed = new LiveFeed({
      name: "market",
      changes: ["market.minute_closed"],
      socketPath: `/ws/market/${encodeURIComponent(body.slug)}?${new URLSearchParams({ expiry: body.expiry })}`,
      bodyPath: dataPath(isChosen()),
      version: null,
      onSnapshot: snapshot,
      onChange: closed,
      onFrame: sampled,
      connection,
    });
    feed.start();
  }

  function snapshot(data) {
    // By a poll the whole body comes, by the socket what is newer than a body.
    if (data.columns) {
      take(data);
      if (!feed.isOpen) loadChain();
      return;
    }
    if (!isSame(data)) {
      // Another session has begun.
      if (!address.get("date")) refresh();
      return;
    }
    if (data.forming) series.sampled(data.forming);
    if (data.row && data.version !== series.body.version && !series.closed(data)) refresh();
    schedule();
  }

  function closed(data) {
    if (data.refetch || !isSame({ ...series.body, date: data.date }) || !series.closed(data)) refresh();
    schedule();
  }

  /** Every sample is whole: one that was missed is not missed after the next. */
  function sampled({ type, data }) {
    if (type !== "market.sampled") return;
    series.sampled(data);
    if (chainInSight) refreshChain();
    schedule();
  }

  /** Read the body again soon: the frames received are not enough to build it. */
  function refresh() {
    clearTimeout(refreshing);
    refreshing = setTimeout(load, Math.random() * SPREAD);
  }

  // The chain is read with each sample, but only while it is looked at.
  let chainInSight = false;
  let chainAsked = false;
  const inSight = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) inSight.add(target);
      else inSight.delete(target);
    }
    if (!chainInSight && inSight.size) refreshChain({ atOnce: true });
    chainInSight = inSight.size > 0;
  }, { rootMargin: "300px 0px" });
  for (const element of [part("chain"), ...page.querySelectorAll("[data-strikes]")]) watcher.observe(element);

  function refreshChain({ atOnce = false } = {}) {
    if (chainAsked || document.hidden || !series) return;
    chainAsked = true;
    setTimeout(async () => {
      await loadChain();
      chainAsked = false;
    }, atOnce ? 0 : Math.random() * SPREAD);
  }

  // --- Drawing: the newest of everything, once a frame ----------------------------------------------
  let scheduled = false;

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    // A hidden page gets no frames; it catches up, once, when it is looked at again.
    requestAnimationFrame(() => {
      scheduled = false;
      if (series) draw();
    });
  }

  function draw() {
    charts.draw(series);
    facts.draw(series, chain);
    if (drawnChain !== chain) drawChain();
    setHidden(part("simulated", document), !series.body.simulated);
    writeAges(clock);
  }
  let drawnChain;

  function drawChain() {
    drawnChain = chain;
    chainTable.draw(chain);
    facts.write({ open_interest_unit: chain.counts_contracts ? "contracts" : "units" });
    for (const chart of strikeCharts) chart.draw(chain);
    const kept = (chain.kept_minutes ?? []).map((minute) => minute.slice(11, 16));
    pickers.showKept(kept, chain.minute?.slice(11, 16));
    setText(part("chain-note"), chainText());
  }

  function chainText() {
    const at = Date.parse(chain.as_of) / 1000;
    const date = times.day(at);
    const ofDay = date === series.body.date ? "" : ` on ${day(date)}`;
    const kept = chain.minute ? `, kept from ${sourceName(chain.source)}` : "";
    return `${chain.strikes.length} strikes, as of ${times.second(at)} ${times.zoneName(at)}${ofDay}${kept}`;
  }

  /** What the page is about, where another instrument was chosen. */
  function named() {
    const { name, session } = series.body;
    document.title = `${name} · Vega Market Edge · Greekdesk`;
    facts.write({ name, currency: pickers.instrument?.currency ?? "" });
    if (!session) return;
    const [opens, closes] = [session.opens_at, session.closes_at].map((at) => Date.parse(at) / 1000);
    const kind = session.kind === "regular" ? "" : `, ${session.kind.replaceAll("_", " ")}`;
    facts.write({
      session: `${session.exchange} ${times.minute(opens)}–${times.minute(closes)} ${times.zoneName(closes)}${kind}`,
    });
  }

  // --- What the reader chooses -----------------------------------------------------------------------
  function choose(values) {
    Object.assign(wanted, values);
    load();
    part("status").textContent = "Loading";
  }

  const radios = (name) => [...page.querySelectorAll(`input[name="${name}"]`)];

  page.addEventListener("change", ({ target }) => {
    if (target.name === "side") {
      address.set({ side: target.value });
      charts.side = target.value;
    } else if (target.name === "measure") {
      address.set({ measure: target.value });
      chainTable.measure = target.value;
    } else if (target.name === "span") {
      charts.window.last(target.value === "day" ? null : Number(target.value));
      writeWindow(charts.window);
      charts.zoom();
    }
  });

  let settling = 0;
  const deltaText = (low, high) => `${number(low)}–${number(high)}`;
  const delta = new RangePair(part("delta-pair"), {
    gap: 0.05,
    text: (value) => number(value),
    onInput: (low, high) => setText(part("delta-text"), deltaText(low, high)),
    onChange: (low, high) => {
      clearTimeout(settling);
      settling = setTimeout(() => choose({ delta_min: String(low), delta_max: String(high) }), SETTLED);
    },
  });

  function writeWindow(window) {
    const { span, end } = window;
    address.set({ span: span === null ? "day" : String(span), end: end === null ? null : times.minute(end) });
    for (const radio of radios("span")) radio.checked = end === null && radio.value === (span === null ? "day" : String(span));
  }

  function readWindow() {
    const span = Math.max(0, Number.parseInt(address.get("span"), 10)) || null;
    const end = address.get("end");
    charts.window.span = span;
    charts.window.end = end && span ? (series.times.find((at) => times.minute(at) === end) ?? null) : null;
    const shown = charts.window.end === null && (span === null ? "day" : String(span));
    for (const radio of radios("span")) radio.checked = radio.value === shown;
    showDelta();
  }

  function showDelta() {
    const { delta_min: low, delta_max: high } = series.body;
    delta.set(low, high);
    setText(part("delta-text"), deltaText(low, high));
  }

  /** Back and forward: everything as the address says. */
  function returned() {
    const side = address.get("side");
    const measure = address.get("measure");
    for (const radio of radios("side")) radio.checked = radio.value === side;
    for (const radio of radios("measure")) radio.checked = radio.value === measure;
    charts.side = side;
    chainTable.measure = measure;
    wanted = {};
    load();
  }

  function told(problem, retry) {
    tell(page, problem, retry);
    part("status").textContent = "";
  }

  load();
}
