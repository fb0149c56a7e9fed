// The page of gamma exposure: asks for what is chosen, draws it, replays a day, and follows snapshots.

import { Clock, keepAges, writeAges } from "../base/ages.js";
import { Refused, reasonOf } from "../base/asking.js";
import { setText, tell } from "../base/cells.js";
import { day } from "../base/format.js";
import { goIfAnswered } from "../base/leaving.js";
import { LiveFeed, showState } from "../base/live.js";
import { Pickers } from "../base/pickers.js";
import { ExposureHeat } from "./heat.js";
import { Facts } from "./facts.js";
import { Figures } from "./figures.js";

// The whole chain may have to be fetched first.
const ANSWER_WITHIN = 30_000;
const SETTLED = 150;
const CHOICES = ["expiries", "definition", "dealers", "date"];

const page = document.querySelector("[data-gex]");
if (page) start();

function start() {
  const part = (name, root = page) => root.querySelector(`[data-part="${name}"]`);
  const clock = new Clock(page);
  keepAges(clock);
  const { symbol, zone, today } = page.dataset;
  const pickers = new Pickers(part("pickers"), choose);
  const facts = new Facts(page);
  const figures = new Figures(page, zone);
  const heat = new ExposureHeat(part("heat"));
  const slots = part("slots");
  let asking = new AbortController();
  let history = null;
  // What the figures belong to; null: there are none yet.
  let shown = null;
  // The snapshot shown, by its time; null: now.
  let replayed = page.dataset.at || null;
  let settling = 0;
  let newest;

  const chosen = (name) => pickers.value(name);
  const isPast = () => chosen("date") !== today;

  /** What of the address chooses a body; `more` is what this one asks besides. */
  function query(more = {}) {
    const asked = new URLSearchParams({ symbol, definition: chosen("definition"), dealers: chosen("dealers") });
    for (const [name, value] of Object.entries(more)) if (value) asked.set(name, value);
    return asked;
  }

  function bodyPath() {
    const isReplay = isPast() || replayed;
    const more = isReplay ? { date: chosen("date"), at: replayed } : { expiries: chosen("expiries") };
    return `/api/market/gex?${query(more)}`;
  }

  async function ask(path) {
    const signal = AbortSignal.any([asking.signal, AbortSignal.timeout(ANSWER_WITHIN)]);
    const answer = await fetch(path, { signal, cache: "no-cache" });
    if (!answer.ok) throw await Refused.by(answer);
    return answer.json();
  }

  /** Everything that is chosen. */
  function load() {
    return show(async () => {
      const [body, past] = await Promise.all([
        ask(bodyPath()),
        ask(`/api/gex/history?${query({ date: chosen("date") })}`),
      ]);
      takeDay(past);
      return body;
    });
  }

  /** Show the body that `read` brings; a later call ends an earlier one. A choice without an answer goes back. */
  async function show(read) {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    page.setAttribute("aria-busy", "true");
    try {
      const body = await read();
      take(body);
      shown = choices();
      if (!body.stale) tell(page, "");
    } catch (error) {
      if (signal.aborted) return;
      const missed = choices();
      goBack(shown ?? missed);
      tell(page, `${reasonOf(error)} The page shows the last known figures.`, () => {
        goBack(missed);
        load();
      });
      figures.fail("The exposure could not be loaded");
    } finally {
      if (asking.signal === signal) page.removeAttribute("aria-busy");
    }
  }

  function choices() {
    return { at: replayed, values: CHOICES.map((name) => [name, chosen(name)]) };
  }

  /** Choose again what was chosen then. */
  function goBack({ at, values }) {
    for (const [name, value] of values) pickers.choose(name, value);
    replayed = at;
    if (history) placeSlot();
    writeAddress();
    follow();
  }

  function take(body) {
    facts.show(body);
    writeAges(clock);
    figures.draw(body);
    if (body.detail) heat.draw(body.detail.cells);
    else heat.clear("This source gives sums only");
    if (body.detail && !body.expiries.length) listExpiries(body.detail.by_expiry.expiry);
    if (body.stale) tell(page, `${body.problem} These are the last good figures.`, load);
  }

  function listExpiries(expiries) {
    pickers.fill("expiries", expiries, { chosen: chosen("expiries"), textOf: day, every: "All" });
  }

  // --- Replay -------------------------------------------------------------------------------------
  const timeOf = (instant) => instant.slice(11, 16);

  function takeDay(past) {
    history = past;
    figures.drawDay(past);
    slots.disabled = past.at.length === 0;
    slots.max = String(Math.max(0, past.at.length - (isPast() ? 1 : 0)));
    placeSlot();
  }

  function placeSlot() {
    const at = history.at.findIndex((instant) => timeOf(instant) === replayed);
    slots.value = at < 0 ? slots.max : String(at);
    nameSlot();
  }

  function nameSlot() {
    const at = history.at[Number(slots.value)];
    const text = at === undefined ? "now" : timeOf(at);
    setText(part("slot-text"), text);
    slots.setAttribute("aria-valuetext", text);
  }

  slots.addEventListener("input", () => {
    nameSlot();
    clearTimeout(settling);
    settling = setTimeout(replay, SETTLED);
  });

  function replay() {
    const at = history.at[Number(slots.value)];
    replayed = at === undefined ? null : timeOf(at);
    writeAddress();
    follow();
    show(() => ask(bodyPath()));
  }

  // --- Choosing -----------------------------------------------------------------------------------
  async function choose(name, value) {
    if (name === "symbol") {
      const another = `?${new URLSearchParams({ symbol: value })}`;
      if (!(await goIfAnswered(() => location.assign(another)))) pickers.choose("symbol", symbol);
      return;
    }
    if (name === "date" || (name === "expiries" && value)) replayed = null;
    writeAddress();
    follow();
    load();
  }

  function writeAddress() {
    const address = query({ date: isPast() || replayed ? chosen("date") : "", at: replayed });
    window.history.replaceState(null, "", `?${address}`);
  }

  // --- Live ---------------------------------------------------------------------------------------
  const connection = part("connection", document);
  let feed = null;

  function follow() {
    const isLive = !isPast() && !replayed;
    if (feed) feed.options.bodyPath = bodyPath();
    if (isLive === Boolean(feed)) return;
    feed?.stop();
    feed = null;
    if (!isLive) {
      showState(connection, "replay");
      return;
    }
    feed = new LiveFeed({
      name: "gex",
      changes: ["gex.computed"],
      socketPath: `/ws/gex/${encodeURIComponent(symbol)}`,
      bodyPath: bodyPath(),
      version: null,
      onSnapshot: (data, frame) => (frame ? heard(data) : take(data)),
      onChange: heard,
      connection,
    });
    feed.start();
  }

  /** A snapshot is stored: read it, unless it is the one shown. */
  function heard({ slot }) {
    const isNew = newest !== undefined && slot !== newest;
    newest = slot;
    if (isNew) load();
  }

  load();
  follow();
}
