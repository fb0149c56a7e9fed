// A page whose parts are asked for again every few seconds while it is visible.

import { Clock, keepAges, writeAges } from "./ages.js";
import { LoggedOut } from "./asking.js";
import { showState } from "./live.js";
import { Parts } from "./parts.js";

const EVERY = 5000;

/**
 * @param {Element} page has the clock's attributes
 * @param {string} url
 * @param {string[]} names of the parts
 */
export function keepRefreshed(page, url, names) {
  const connection = document.querySelector('[data-part="connection"]');
  const parts = new Parts();
  const clock = new Clock(page);
  keepAges(clock);

  async function refresh() {
    if (document.hidden) return;
    try {
      await parts.put(url, names);
      writeAges(clock);
      showState(connection, "live");
    } catch (error) {
      showState(connection, error instanceof LoggedOut ? "ended" : "offline");
      if (error instanceof LoggedOut) clearInterval(timer);
    }
  }

  const timer = setInterval(refresh, EVERY);
  document.addEventListener("visibilitychange", refresh);
}
