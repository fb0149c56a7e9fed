// Measure every page with Lighthouse, as a visitor's phone sees it: `make lighthouse` at a running desk.
//
// LIGHTHOUSE is the folder where npm has installed it; URL, NAME and PASSWORD are the desk and who logs
// in. Prints the scores and the audits that cost them; fails where a category is below the bar.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { LIGHTHOUSE, URL: DESK, NAME, PASSWORD, CHROME_PATH } = process.env;
const BAR = 95;
const PUBLIC = ["/accounts/login", "/market", "/gex"];
const PRIVATE = [
  "/", "/risk", "/portfolios", "/market", "/gex", "/market/alerts", "/trades", "/trades/statistics",
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

async function measure(path, who) {
  const page = await browser.newPage();
  const categories = categoriesFor(who);
  const flags = { onlyCategories: categories, disableStorageReset: true, logLevel: "silent" };
  const { lhr } = await lighthouse(DESK + path, flags, undefined, page);
  await page.close();
  if (lhr.runtimeError) console.log(`    ${lhr.runtimeError.message}`);
  const scores = categories.map((name) => Math.round(lhr.categories[name].score * 100));
  const shown = CATEGORIES.map((_, index) => scores[index] ?? "–");
  console.log(`| \`${path}\` | ${who} | ${shown.join(" | ")} |`);
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

console.log(`| page | who | ${CATEGORIES.join(" | ")} |`);
console.log(`|---|---|${"---|".repeat(CATEGORIES.length)}`);
const passed = [];
for (const path of PUBLIC) passed.push(await measure(path, "visitor"));
await logIn();
for (const path of PRIVATE) passed.push(await measure(path, "signed in"));
await browser.close();
process.exitCode = passed.every(Boolean) ? 0 : 1;
