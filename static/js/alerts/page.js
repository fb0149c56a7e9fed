// Alerts: what is raised comes by websocket. On the alerts' own page, and on any other that holds
// their panel.

import { Clock, keepAges } from "../base/ages.js";
import { tellLoggedOut } from "../base/cells.js";
import { Swaps } from "../base/swap.js";
import { onAlerts } from "./feed.js";
import { offerNotifications } from "./notify.js";

const PAGE = "/market/alerts";

const root = document.querySelector("[data-alerts]");

function begin() {
  const isPage = "page" in root.dataset;
  const clock = new Clock(root);
  if (isPage) keepAges(clock);

  const swaps = new Swaps(root, {
    clock,
    address: (url) => {
      // As a panel of another page they are shorter, and their forms lead back to it.
      if (!isPage) url.searchParams.set("panel", "1");
      return url.pathname + url.search;
    },
    sent: (form) => {
      // A channel that was added or deleted is a choice of the form that watches.
      if (form.dataset.swap === "channels") swaps.put(PAGE, ["events", "rules"]);
    },
  });

  let newest = Number(root.dataset.version);

  /** Something was raised, read or sent: the list is fetched as the server writes it. */
  function changed(body) {
    const raised = body.events.filter((each) => each.id > newest && !each.is_read);
    newest = body.events[0]?.id ?? newest;
    swaps.put(PAGE, isPage ? ["events", "channels"] : ["events"]);
    if (raised.length) {
      const more = raised.length > 1 ? ` And ${raised.length - 1} more.` : "";
      swaps.say(`Alert. ${raised[0].title}. ${raised[0].text}${more}`);
    }
  }

  let shown = null;
  onAlerts((body) => {
    if (!body) {
      tellLoggedOut(swaps);
      return;
    }
    const text = JSON.stringify(body);
    const isFirst = shown === null && body.version === newest;
    if (!isFirst && text !== shown) changed(body);
    shown = text;
  });
  if (isPage) {
    const part = (name) => document.querySelector(`[data-part="${name}"]`);
    offerNotifications(part("notify"), part("notify-said"));
  }
}

if (root) begin();
