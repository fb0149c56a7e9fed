// The reader's alerts, live: one feed for every part of a page that shows them.

import { LiveFeed } from "../base/live.js";

const listeners = new Set();
let latest = null;

/** Call `listener` with each body of /api/market/alerts/events; with null once the session ends. */
export function onAlerts(listener) {
  listeners.add(listener);
  if (latest) listener(latest);
}

function take(body) {
  latest = body;
  for (const listener of listeners) listener(body);
}

const isPage = document.querySelector("[data-alerts][data-page]") !== null;

const feed = new LiveFeed({
  name: "alerts",
  changes: ["alerts.changed"],
  socketPath: "/ws/alerts",
  bodyPath: "/api/market/alerts/events",
  version: null,
  onSnapshot: take,
  onChange: take,
  // Other pages show the state of their own numbers.
  connection: isPage
    ? document.querySelector('[data-part="connection"]')
    : document.createElement("span"),
  onState: (state) => {
    if (state === "ended") take(null);
  },
});
feed.start();
