// The state of the desk: its parts are refreshed every few seconds while the page is visible.

import { Clock, keepAges, writeAges } from "../base/ages.js";
import { LoggedOut } from "../base/asking.js";
import { showState } from "../base/live.js";
import { Parts } from "../base/parts.js";

const EVERY = 5000;
const PARTS = ["processes", "tokens", "chains", "servers", "calendars", "checks"];

const page = document.querySelector("[data-system]");
const connection = document.querySelector('[data-part="connection"]');
const parts = new Parts();
const clock = new Clock(page);
keepAges(clock);

async function refresh() {
  if (document.hidden) return;
  try {
    await parts.put("/system", PARTS);
    writeAges(clock);
    showState(connection, "live");
  } catch (error) {
    showState(connection, error instanceof LoggedOut ? "ended" : "offline");
    if (error instanceof LoggedOut) clearInterval(timer);
  }
}

const timer = setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
