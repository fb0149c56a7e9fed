// The dashboard: each part is read again when it changed, when it was late, or when asked for.

import { Clock, keepAges } from "../base/ages.js";
import { LiveFeed } from "../base/live.js";
import { Swaps } from "../base/swap.js";
import { drawAccountCurves } from "../charts/account_curves.js";

const root = document.querySelector("[data-dashboard]");
const clock = new Clock(root);
keepAges(clock);

// --- Parts ----------------------------------------------------------------------------------------
const swaps = new Swaps(root, { clock, placed: () => drawAccountCurves("dashboard") });
const all = [...root.querySelectorAll('[id^="dashboard-"][aria-labelledby]')].map((each) =>
  each.id.replace("dashboard-", ""),
);
const OF_THE_BOOK = ["overnight", "decisions"];

/** Read parts again, each by itself: one that hangs keeps no other waiting. */
function readAgain(names) {
  const book = names.includes("positions") ? OF_THE_BOOK : [];
  for (const name of new Set([...names, ...book])) {
    if (all.includes(name)) swaps.put(location.pathname + location.search, [name]);
  }
}

readAgain([...root.querySelectorAll("[data-late]")].map((each) => each.id.replace("dashboard-", "")));
drawAccountCurves("dashboard");

// --- Live -----------------------------------------------------------------------------------------
let isFirst = true;
const query = root.dataset.account ? `?account_id=${encodeURIComponent(root.dataset.account)}` : "";
new LiveFeed({
  name: "dashboard",
  socketPath: `/ws/dashboard${query}`,
  bodyPath: `/api/dashboard${query}`,
  version: null,
  onSnapshot: () => {
    // The page itself is as new as the first.
    if (!isFirst) readAgain(all);
    isFirst = false;
  },
  onChange: (data) => readAgain(Object.keys({ ...data.sections, ...data.errors })),
  connection: document.querySelector('[data-part="connection"]'),
}).start();
