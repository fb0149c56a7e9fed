// Alerts: forms and links fetch parts instead of pages, and what is raised comes by websocket. On
// the alerts' own page, and on any other that holds their panel.

import { Clock, writeAges } from "../base/ages.js";
import { setHidden } from "../base/cells.js";
import { LiveFeed } from "../base/live.js";
import { LoggedOut, Parts } from "../base/parts.js";

const PAGE = "/market/alerts";
const CONNECTION = {
  connecting: "Connecting",
  live: "Live",
  polling: "Polling",
  offline: "Offline",
  ended: "Logged out",
};

const root = document.querySelector("[data-alerts]");

function begin() {
  const part = (name) => document.querySelector(`[data-part="alerts-${name}"]`);
  const isPage = "page" in root.dataset;
  const parts = new Parts();
  const clock = new Clock();
  clock.set({ now: root.dataset.clockNow, frozen: "clockFrozen" in root.dataset });

  function tell(problem) {
    part("problem-text").textContent = problem;
    setHidden(part("problem"), !problem);
  }

  /** Fetch parts of the alerts' page and put those in place that are here. */
  async function put(address, names, options = {}) {
    // As a panel of another page they are shorter, and their forms lead back to it.
    const url = isPage ? address : `${address}${address.includes("?") ? "&" : "?"}panel=1`;
    const here = names.filter((name) => document.getElementById(`alerts-${name}`));
    const busy = here.map((name) => document.getElementById(`alerts-${name}`));
    for (const element of busy) element.setAttribute("aria-busy", "true");
    try {
      const placed = await parts.put(url, here, options);
      tell("");
      if (placed) writeAges(clock, root);
      return placed;
    } catch (error) {
      tell(
        error instanceof LoggedOut
          ? "You are logged out. Log in again to go on; what is typed here stays."
          : "The desk did not answer. What is shown is the last that was known.",
      );
      return null;
    } finally {
      for (const element of busy) element.removeAttribute("aria-busy");
    }
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-alerts-swap]");
    const plain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey);
    if (!link || !plain) return;
    event.preventDefault();
    const url = new URL(link.href);
    put(url.pathname + url.search, [link.dataset.alertsSwap], { fresh: true }).then((placed) => {
      if (placed && url.hash === "#alert-form") document.querySelector("#alert-threshold").focus();
    });
  });

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset.alertsSwap) return;
    event.preventDefault();
    const body = new FormData(form);
    const name = form.dataset.alertsSwap;
    const placed = await put(new URL(form.action).pathname, [name], { body });
    if (!placed) return;
    const section = document.getElementById(`alerts-${name}`);
    const wrong = section.querySelector("[aria-invalid]");
    if (wrong) wrong.focus();
    part("status").textContent = section.querySelector(".notice p")?.textContent ?? "";
    // A channel that was added or deleted is a choice of the form that watches.
    if (name === "channels") put(PAGE, ["events", "rules"]);
  });

  let newest = Number(root.dataset.version);

  /** Something was raised, read or sent: the list is fetched as the server writes it. */
  function changed(body) {
    const raised = body.events.filter((each) => each.id > newest && !each.is_read);
    newest = body.events[0]?.id ?? newest;
    put(PAGE, ["events", "channels"]);
    if (raised.length) {
      const more = raised.length > 1 ? ` And ${raised.length - 1} more.` : "";
      part("status").textContent = `Alert. ${raised[0].title}. ${raised[0].text}${more}`;
    }
  }

  let shown = null;
  const connection = part("connection");
  const feed = new LiveFeed({
    name: "alerts",
    changes: ["alerts.changed"],
    socketPath: "/ws/alerts",
    bodyPath: "/api/market/alerts/events",
    version: null,
    onSnapshot: (body) => {
      const text = JSON.stringify(body);
      const first = shown === null && body.version === newest;
      if (!first && text !== shown) changed(body);
      shown = text;
    },
    onChange: (body) => {
      shown = JSON.stringify(body);
      changed(body);
    },
    onState: (state) => {
      if (!connection || connection.dataset.state === state) return;
      connection.dataset.state = state;
      connection.textContent = CONNECTION[state];
      if (state === "ended") tell("You are logged out. Log in again to see new alerts.");
    },
  });
  feed.start();
  if (isPage) setInterval(() => document.hidden || writeAges(clock, root), 1000);
}

if (root) begin();
