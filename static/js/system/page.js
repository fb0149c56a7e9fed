// The state of the desk.

import { Clock, keepAges, writeAges } from "../base/ages.js";
import { LoggedOut } from "../base/asking.js";
import { LiveFeed, showState } from "../base/live.js";
import { Parts } from "../base/parts.js";
import { keepResponsesDrawn } from "./responses.js";

const PARTS = [
  "processes",
  "responses",
  "calls",
  "tokens",
  "chains",
  "cache",
  "queue",
  "servers",
  "calendars",
  "checks",
];

const page = document.querySelector("[data-system]");
const connection = document.querySelector('[data-part="connection"]');
const parts = new Parts();
const clock = new Clock(page);
keepAges(clock);

async function readAgain() {
  if (document.hidden) return;
  try {
    await parts.put("/system", PARTS);
    writeAges(clock);
  } catch (error) {
    if (error instanceof LoggedOut) feed.stop();
    showState(connection, error instanceof LoggedOut ? "ended" : "offline");
  }
}

const feed = new LiveFeed({
  name: "system",
  socketPath: "/ws/system",
  bodyPath: "/api/monitoring",
  version: null,
  onSnapshot: readAgain,
  onChange: readAgain,
  connection,
});
feed.start();
document.addEventListener("visibilitychange", readAgain);
keepResponsesDrawn(page.querySelector('[data-chart="responses"]'));
