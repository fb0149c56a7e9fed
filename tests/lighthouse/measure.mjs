// Measure every page with Lighthouse, as a visitor's phone sees it: `make lighthouse` at a running desk.
//
// LIGHTHOUSE is the folder where npm has installed it; URL, NAME and PASSWORD are the desk and who logs
// in, PAGES the paths to measure if not all (PAGES="/market /gex"). Prints the scores and the audits that cost them, and the
// blocking time by what the main thread's tasks took of the processor: what else runs changes the scores,
// but hardly that. Fails where a category is below the bar.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { LIGHTHOUSE, URL: DESK, NAME, PASSWORD, PAGES, CHROME_PATH } = process.env;
const BAR = 95;
const PUBLIC = ["/accounts/login", "/market", "/gex"];
const PRIVATE = [
  "/", "/dashboard", "/risk", "/portfolios", "/market", "/gex", "/market/alerts", "/trades", "/trades/statistics",
  "/trades/reconcile", "/trades/signals", "/system", "/accounts/tokens", "/accounts/time-zone",
  "/accounts/password", "/system/styleguide", "/api/docs",
];
const CATEGORIES = ["performance", "accessibility", "best-practices", "seo"];
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
function blockingByProcessor({ traceEvents } = { traceEvents: [] }, address) {
  const begun = traceEvents.findLast(
    ({ name, args }) => name === "navigationStart" && args?.data?.documentLoaderURL === address,
  );
  if (!begun) return "–";
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

async function measure(path, who) {
  const page = await browser.newPage();
  const categories = categoriesFor(who);
  const flags = { onlyCategories: categories, disableStorageReset: true, logLevel: "silent" };
  const { lhr, artifacts } = await lighthouse(DESK + path, flags, undefined, page);
  await page.close();
  if (lhr.runtimeError) console.log(`    ${lhr.runtimeError.message}`);
  const scores = categories.map((name) => Math.round(lhr.categories[name].score * 100));
  const shown = CATEGORIES.map((_, index) => scores[index] ?? "–");
  console.log(`| \`${path}\` | ${who} | ${shown.join(" | ")} | ${blockingByProcessor(artifacts.Trace, DESK + path)} |`);
  const below = categories.filter((_, index) => scores[index] < BAR);
  for (const name of below) {
    for (const { id, weight } of lhr.categories[name].auditRefs) {
      const { score, displayValue = "" } = lhr.audits[id];
      if (weight && score !== null && score < 0.9) console.log(`    ${name}: ${id} ${displayValue}`);
    }
  }
  return below.length === 0;
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

console.log(`| page | who | ${CATEGORIES.join(" | ")} | blocking, ms |`);
console.log(`|---|---|${"---|".repeat(CATEGORIES.length + 1)}`);
const passed = [];
const asked = (paths) => (PAGES ? paths.filter((path) => PAGES.split(" ").includes(path)) : paths);
for (const path of asked(PUBLIC)) passed.push(await measure(path, "visitor"));
await logIn();
for (const path of asked(PRIVATE)) passed.push(await measure(path, "signed in"));
await browser.close();
process.exitCode = passed.every(Boolean) ? 0 : 1;
