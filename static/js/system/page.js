// The state of the desk: its parts are fetched anew every few seconds, while somebody looks.

import { Clock, keepAges, writeAges } from "../base/ages.js";
import { LoggedOut, Parts } from "../base/parts.js";

const EVERY = 5000;
const PARTS = ["processes", "tokens", "chains", "servers", "calendars", "checks"];
const WORDS = { live: "Live", offline: "Offline", ended: "Logged out" };

const page = document.querySelector("[data-system]");
const connection = document.querySelector('[data-part="system-connection"]');
const parts = new Parts();
const clock = new Clock();
clock.set({ now: page.dataset.clockNow, frozen: "clockFrozen" in page.dataset });
keepAges(clock);

function tell(state) {
  if (connection.dataset.state === state) return;
  connection.dataset.state = state;
  connection.textContent = WORDS[state];
}

async function refresh() {
  if (document.hidden) return;
  try {
    await parts.put("/system", PARTS);
    writeAges(clock);
    tell("live");
  } catch (error) {
    tell(error instanceof LoggedOut ? "ended" : "offline");
    if (error instanceof LoggedOut) clearInterval(timer);
  }
}

const timer = setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
