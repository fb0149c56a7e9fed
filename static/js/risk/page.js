// The risk page's script: its forms and links fetch parts instead of pages, and a changed book
// brings the report, the scenarios and what was run anew.

import { Clock, keepAges, writeAges } from "../base/ages.js";
import { setHidden } from "../base/cells.js";
import { HeatMap } from "./heat_map.js";
import { LiveFeed } from "../base/live.js";
import { LoggedOut, Parts } from "../base/parts.js";

const CONNECTION = {
  connecting: "Connecting",
  live: "Live",
  polling: "Polling",
  offline: "Offline",
  ended: "Logged out",
};
// A changed book is read so long after the last change, but never later than this after the first.
const QUIET = 400;
const LONGEST_WAIT = 3000;

const page = document.querySelector("[data-risk]");
const part = (name, root = page) => root.querySelector(`[data-part="${name}"]`);

const clock = new Clock();
clock.set({ now: page.dataset.clockNow, frozen: "clockFrozen" in page.dataset });
keepAges(clock);

const parts = new Parts();
const heatMap = new HeatMap(document.getElementById("risk-scenarios"));
let whatIf = null;

function tell(problem) {
  part("problem-text").textContent = problem;
  setHidden(part("problem"), !problem);
}

/** Fetch parts, put them in place, say what came of it. */
async function put(url, names, options = {}) {
  const busy = names.map((name) => document.getElementById(`risk-${name}`)).filter(Boolean);
  for (const element of busy) element.setAttribute("aria-busy", "true");
  try {
    const placed = await parts.put(url, names, options);
    tell("");
    if (placed === null) return null;
    writeAges(clock);
    heatMap.adopt();
    return placed;
  } catch (error) {
    tell(
      error instanceof LoggedOut
        ? "You are logged out. Log in again to go on; what is typed here stays."
        : "The desk did not answer. What is shown is the last that was computed.",
    );
    return null;
  } finally {
    for (const element of busy) element.removeAttribute("aria-busy");
  }
}

// --- Links and forms that name the parts they change -----------------------------------------------
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swap]");
  const plain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey);
  if (!link || !plain) return;
  event.preventDefault();
  const url = new URL(link.href);
  history.replaceState(null, "", url.pathname + url.search);
  put(url.pathname + url.search, [link.dataset.swap], { fresh: true }).then(() => {
    if (url.hash === "#scenario-form") document.querySelector("#scenario-form [name=name]").focus();
  });
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.swap) return;
  event.preventDefault();
  if (form.method === "post") post(form);
  else choose(form);
});

/** A GET form: its filled fields are the new address. */
function choose(form, names = [form.dataset.swap]) {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value.trim()) query.set(name, value.trim());
  const url = `${new URL(form.action).pathname}?${query}`;
  history.replaceState(null, "", url);
  return put(url, names);
}

async function post(form) {
  const body = new FormData(form);
  const isWhatIf = form.id === "what-if-form";
  const address = new URL(form.action);
  const url = address.pathname + (isWhatIf ? location.search : address.search);
  const placed = await put(url, [form.dataset.swap], { body });
  if (!placed) return;
  if (isWhatIf) {
    const answer = document.querySelector("#what-if-answer");
    whatIf = answer.querySelector("table") ? body : null;
    answer.scrollIntoView({ block: "nearest" });
  } else {
    part("status").textContent = document.querySelector("#risk-saved .notice p")?.textContent ?? "";
  }
}

document.addEventListener("change", (event) => {
  const { target } = event;
  if (target.form?.id !== "risk-form") return;
  const all = target.id === "benchmark";
  choose(target.form, all ? ["report", "scenarios"] : ["scenarios"]).then(() => {
    if (all) part("status").textContent = `Weighted by beta to ${target.value}`;
    if (all && whatIf) againWhatIf();
  });
});

// --- Rows that are added to a form ------------------------------------------------------------------
document.addEventListener("click", (event) => {
  const button = event.target.closest('[data-part="more"]');
  if (!button) return;
  const rows = button.closest("[data-rows]");
  const spare = rows.querySelector("[data-spare]");
  if (spare) {
    delete spare.dataset.spare;
    spare.querySelector("input").focus();
    return;
  }
  const total = rows.querySelector(`[name="${rows.dataset.rows}-TOTAL_FORMS"]`);
  const most = rows.querySelector(`[name="${rows.dataset.rows}-MAX_NUM_FORMS"]`);
  if (Number(total.value) >= Number(most.value)) return;
  const row = rows.querySelector("template").content.firstElementChild.cloneNode(true);
  for (const element of row.querySelectorAll("[name], [id], [for]")) {
    for (const name of ["name", "id", "for"]) {
      const value = element.getAttribute(name);
      if (value) element.setAttribute(name, value.replace("__prefix__", total.value));
    }
  }
  total.value = String(Number(total.value) + 1);
  rows.querySelector("template").before(row);
  row.querySelector("input").focus();
});

// --- Live ---------------------------------------------------------------------------------------------
let shownVersion = page.dataset.version;
let timer = 0;
let changedAt = 0;

function changed(version) {
  if (String(version) === shownVersion) return;
  shownVersion = String(version);
  if (!changedAt) changedAt = Date.now();
  clearTimeout(timer);
  timer = setTimeout(refresh, Math.min(QUIET, Math.max(0, changedAt + LONGEST_WAIT - Date.now())));
}

async function refresh() {
  // A hidden page catches up, once, when it is looked at again.
  if (document.hidden || !changedAt) return;
  changedAt = 0;
  const names = ["report", "scenarios"];
  if (document.getElementById("risk-ran")) names.push("ran");
  await put(location.pathname.replace(/\/what-if$/, "") + location.search, names);
  if (whatIf) await againWhatIf();
}

const againWhatIf = () =>
  put(`${new URL(document.getElementById("what-if-form").action).pathname}${location.search}`, ["what-if-answer"], {
    body: whatIf,
  });

document.addEventListener("visibilitychange", refresh);

const { accountId } = page.dataset;
const query = accountId ? `?account_id=${encodeURIComponent(accountId)}` : "";
const connection = part("connection", document);

const feed = new LiveFeed({
  socketPath: `/ws/portfolio${query}`,
  bodyPath: `/api/portfolio/risk-monitor/fast${query}`,
  version: page.dataset.version,
  onSnapshot: (body) => {
    clock.set(body.clock);
    changed(body.version);
  },
  onChange: (data, frame) => {
    clock.set(data.clock);
    changed(frame.version);
  },
  onFrame: () => {},
  onState: (state) => {
    if (connection.dataset.state === state) return;
    connection.dataset.state = state;
    connection.textContent = CONNECTION[state];
    if (state === "ended") tell("You are logged out. Log in again to see the live book.");
  },
});
feed.start();
