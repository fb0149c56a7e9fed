// Ages count on each second from the instants in <time class="age">.

import { setText } from "./cells.js";
import { age } from "./format.js";

// As OLD_BEHIND_SECONDS in config/core/templatetags/desk.py.
const OLD_BEHIND_SECONDS = 300;

/** The server's clocks as seen from here: wall time, and market time that may stand still. */
export class Clock {
  #offset = 0;
  #frozenAt = null;

  /** `root` says where the market's clock stands, or what time it is. */
  constructor(root) {
    if (root) this.set({ now: root.dataset.clockNow, frozen: "clockFrozen" in root.dataset });
  }

  set({ now, frozen }) {
    // Only the page gives a running clock's time: in a prepared body it would be late.
    if (now === null) {
      this.#frozenAt = null;
      return;
    }
    const instant = Date.parse(now);
    this.#frozenAt = frozen ? instant : null;
    // A frozen market clock says nothing about the server's wall time.
    if (!frozen) this.#offset = instant - Date.now();
  }

  now(kind) {
    if (kind === "market" && this.#frozenAt !== null) return this.#frozenAt;
    return Date.now() + this.#offset;
  }
}

export function writeAges(clock, root = document) {
  const now = { wall: clock.now("wall"), market: clock.now("market") };
  for (const element of root.querySelectorAll("time.age[datetime]")) {
    const kind = element.dataset.clock === "market" ? "market" : "wall";
    const seconds = (now[kind] - Date.parse(element.dateTime)) / 1000;
    setText(element, age(seconds));
  }
  markOld(root.querySelectorAll("time.age[data-compared][datetime]"));
}

/** Mark those far behind the newest: a closed market ages all alike. */
function markOld(elements) {
  const instants = [...elements].map((element) => Date.parse(element.dateTime));
  const newest = instants.reduce((latest, instant) => Math.max(latest, instant), 0);
  elements.forEach((element, index) => {
    const behind = (newest - instants[index]) / 1000;
    element.toggleAttribute("data-old", behind > OLD_BEHIND_SECONDS);
  });
}

export function keepAges(clock) {
  const tick = () => {
    if (!document.hidden) writeAges(clock);
  };
  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", tick);
}
