// The risk page's script: its forms and links fetch parts instead of pages, and a changed book
// refreshes the report, the scenarios, and the last scenario and what-if.

import { Clock, keepAges } from "../base/ages.js";
import { tellLoggedOut } from "../base/cells.js";
import { HeatMap } from "../charts/heat_map.js";
import { LiveFeed } from "../base/live.js";
import { Swaps } from "../base/swap.js";

// A changed book is read so long after the last change, but never later than this after the first.
const QUIET = 400;
const LONGEST_WAIT = 3000;

const page = document.querySelector("[data-risk]");

const clock = new Clock(page);
keepAges(clock);

const heatMap = new HeatMap(document.getElementById("risk-scenarios"));
let whatIf = null;

const swaps = new Swaps(page, {
  clock,
  // The what-if is asked of what the page shows by now.
  address: (url) => url.pathname + (url.pathname === whatIfPath() ? location.search : url.search),
  chosen: (url) => history.replaceState(null, "", goodAddress(url)),
  placed: () => {
    heatMap.adopt();
    judgeAxes();
  },
  sent: (form, body) => {
    if (form.id !== "what-if-form") return;
    const answer = document.getElementById("what-if-answer");
    whatIf = answer.querySelector("table") ? body : null;
    answer.scrollIntoView({ block: "nearest" });
  },
});

const whatIfPath = () => new URL(document.getElementById("what-if-form").action).pathname;

// --- Axes that cannot be computed ---------------------------------------------------------------------
// The last map stays and goes on living; the address stays its own; the problem stays until the form
// is sent again.
const axes = document.getElementById("risk-form");
const lastGood = new URL(location);

const problemOfAxes = () => document.getElementById("risk-axes-problem");
const wrongAxes = () => problemOfAxes().dataset.axes.split(" ");

/** The address to show for one that was chosen: not that of axes known to be wrong. */
function goodAddress(url) {
  const next = new URL(url, location);
  const same = (name) => next.searchParams.get(name) === lastGood.searchParams.get(name);
  if ("keep" in problemOfAxes().dataset && wrongAxes().every(same)) lastGood.href = next.href;
  return "keep" in problemOfAxes().dataset ? lastGood : next;
}

function judgeAxes() {
  const problem = problemOfAxes();
  if ("keep" in problem.dataset) return;
  const wrong = wrongAxes();
  for (const field of axes.querySelectorAll("input[aria-describedby]")) {
    if (wrong.includes(field.name)) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
  if (problem.dataset.axes) {
    problem.dataset.keep = "";
    history.replaceState(null, "", lastGood);
  } else {
    lastGood.href = location.href;
  }
}

for (const name of wrongAxes()) lastGood.searchParams.delete(name);
judgeAxes();

for (const kind of ["submit", "change"]) {
  axes.addEventListener(kind, () => {
    delete problemOfAxes().dataset.keep;
  });
}

document.addEventListener("change", (event) => {
  const { target } = event;
  if (target.form?.id !== "risk-form") return;
  const all = target.id === "benchmark";
  const { value } = target;
  swaps.choose(target.form, all ? ["report", "scenarios"] : ["scenarios"]).then((placed) => {
    if (!placed) return;
    if (all) swaps.say(`Weighted by beta to ${value}`);
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
  await swaps.put(location.pathname.replace(/\/what-if$/, "") + location.search, names);
  if (whatIf) await againWhatIf();
}

const againWhatIf = () => swaps.put(whatIfPath(), ["what-if-answer"], { body: whatIf });

document.addEventListener("visibilitychange", refresh);

const { accountId } = page.dataset;
const query = accountId ? `?account_id=${encodeURIComponent(accountId)}` : "";

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
  connection: document.querySelector('[data-part="connection"]'),
  onState: (state) => {
    if (state === "ended") tellLoggedOut(swaps);
  },
});
feed.start();
