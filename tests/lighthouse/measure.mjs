// Measure every page with Lighthouse, as a visitor's phone sees it: `make lighthouse` at a running desk.
//
// LIGHTHOUSE is the folder where npm has installed it; URL, NAME and PASSWORD are the desk and who logs
// in, PAGES the paths to measure if not all (PAGES="/market /gex"). Each page is measured three times; a run
// that leaves no trace is made again. Prints the medians as the table of docs/interface.md, and apart from it,
// as errors, the audits that cost points. The blocking time is what the main thread's tasks took of the
// processor: what else runs changes the scores, but hardly that. Fails where a median is below the bar.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { LIGHTHOUSE, URL: DESK, NAME, PASSWORD, PAGES, CHROME_PATH } = process.env;
const BAR = 95;
const RUNS = 3;
const TRIES = 6;
const PUBLIC = ["/accounts/login", "/market", "/gex"];
const PRIVATE = [
  "/", "/dashboard", "/risk", "/portfolios", "/market", "/gex", "/market/alerts", "/trades", "/trades/statistics",
  "/trades/executions", "/trades/import", "/trades/reconcile", "/trades/signals", "/system", "/accounts/tokens",
  "/accounts/time-zone", "/accounts/password", "/accounts/second-factor", "/system/styleguide", "/api/docs", "/api/docs/risk_monitor_fast",
];
const CATEGORIES = ["performance", "accessibility", "best-practices", "seo"];
const HEADINGS = ["page", "who", "performance", "accessibility", "best practices", "search", "blocking, ms"];
// Search engines see public pages only.
const categoriesFor = (who) => CATEGORIES.slice(0, who === "visitor" ? 4 : 3);

const require = createRequire(`${LIGHTHOUSE}/`);
const load = async (name) => import(pathToFileURL(require.resolve(name)).href);
const { default: lighthouse } = await load("lighthouse");
const { default: puppeteer } = await load("puppeteer-core");

const browser = await puppeteer.launch({
  executablePath: CHROME_PATH,
  args: ["--headless=new", "--no-sandbox", "--disable-gpu"],
});

// Total blocking time as Lighthouse defines it, ms: of tasks after the first content, on a phone four
// times as slow, what each takes beyond 50 ms. Counted in processor time instead of the clock's.
// null if the trace is not there.
function blockingByProcessor({ traceEvents = [] } = {}, address) {
  const begun = traceEvents.findLast(
    ({ name, args }) => name === "navigationStart" && args?.data?.documentLoaderURL === address,
  );
  if (!begun) return null;
  const ours = traceEvents.filter(({ pid, ts }) => pid === begun.pid && ts >= begun.ts);
  const from = ours.find(({ name }) => name === "firstContentfulPaint")?.ts ?? begun.ts;
  let [blocking, until] = [0, from];
  for (const { name, ph, tid, ts, dur, tdur = 0 } of ours.sort((a, b) => a.ts - b.ts)) {
    if (tid !== begun.tid || ph !== "X" || !name.endsWith("RunTask") || ts < until) continue;
    until = ts + dur;
    blocking += Math.max(0, (4 * tdur) / 1000 - 50);
  }
  return Math.round(blocking);
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

// One run: its scores in the order of the categories, blocking time and costly audits; null without a trace.
async function run(path, categories) {
  const page = await browser.newPage();
  const flags = { onlyCategories: categories, disableStorageReset: true, logLevel: "silent" };
  let found, failure;
  try {
    found = await lighthouse(DESK + path, flags, undefined, page);
    failure = found.lhr.runtimeError;
  } catch (error) {
    failure = error;
  } finally {
    await page.close().catch(() => {});
  }
  const { lhr, artifacts } = found ?? {};
  const blocking = blockingByProcessor(artifacts?.Trace, DESK + path);
  const scores = categories.map((name) => lhr?.categories[name].score ?? null);
  if (failure || blocking === null || scores.includes(null)) {
    console.error(`${path}: no trace, measured again. ${failure?.message ?? ""}`);
    return null;
  }
  const costly = categories.flatMap((name) =>
    lhr.categories[name].auditRefs
      .filter(({ id, weight }) => weight && lhr.audits[id].score !== null && lhr.audits[id].score < 0.9)
      .map(({ id }) => `${name}: ${id} ${lhr.audits[id].displayValue ?? ""}`),
  );
  return { scores: scores.map((score) => Math.round(score * 100)), blocking, costly };
}

async function measure(path, who) {
  const categories = categoriesFor(who);
  const runs = [];
  for (let tried = 0; tried < TRIES && runs.length < RUNS; tried += 1) {
    const found = await run(path, categories);
    if (found) runs.push(found);
  }
  if (runs.length < RUNS) {
    console.error(`${path}, ${who}: ${runs.length} of ${TRIES} runs left a trace.`);
    return false;
  }
  const scores = categories.map((_, index) => median(runs.map((each) => each.scores[index])));
  const shown = CATEGORIES.map((_, index) => scores[index] ?? "–");
  console.log(`| \`${path}\` | ${who} | ${shown.join(" | ")} | ${median(runs.map(({ blocking }) => blocking))} |`);
  const passed = scores.every((score) => score >= BAR);
  if (!passed) for (const line of new Set(runs.flatMap(({ costly }) => costly))) console.error(`    ${line}`);
  return passed;
}

async function logIn() {
  const page = await browser.newPage();
  await page.goto(`${DESK}/accounts/login`);
  await page.type("[name=username]", NAME);
  await page.type("[name=password]", PASSWORD);
  await Promise.all([page.waitForNavigation(), page.click("main form [type=submit]")]);
  if (new URL(page.url()).pathname === "/accounts/login") throw new Error("The log-in was refused.");
  await page.close();
}

console.log(`| ${HEADINGS.join(" | ")} |`);
console.log(`|${"---|".repeat(HEADINGS.length)}`);
const passed = [];
const asked = (paths) => (PAGES ? paths.filter((path) => PAGES.split(" ").includes(path)) : paths);
for (const path of asked(PUBLIC)) passed.push(await measure(path, "visitor"));
await logIn();
for (const path of asked(PRIVATE)) passed.push(await measure(path, "signed in"));
await browser.close();
process.exitCode = passed.every(Boolean) ? 0 : 1;
