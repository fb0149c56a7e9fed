// On every page of a signed-in reader: what is raised is counted in the header and in the title, and
// shown as a toast; while nobody looks, as the browser's notification.

import { fieldsOf, setAge, setHidden, setText } from "../base/cells.js";
import { onAlerts } from "./feed.js";
import { notify } from "./notify.js";

// The newest alert this tab has shown: what is raised between two pages is shown on the second.
const SEEN = "greekdesk_alert_seen";
const MOST_TOASTS = 3;
const MOST_RECENT = 3;
const COUNTED = /^\(\d+\) /;

const bell = document.querySelector('[data-part="alert-bell"]');
const toasts = document.querySelector('[data-part="toasts"]');
const recent = document.querySelector('[data-part="recent-alerts"]');
let unread = 0;

// A page with the whole list reads out what is new itself.
if (!document.querySelector("[data-alerts]")) toasts.setAttribute("role", "status");

function writeTitle() {
  const title = document.title.replace(COUNTED, "");
  const counted = unread ? `(${unread}) ${title}` : title;
  if (document.title !== counted) document.title = counted;
}

function count(number) {
  unread = number;
  const badge = bell.querySelector(".alert-count");
  setText(badge, number > 99 ? "99+" : String(number));
  setHidden(badge, number === 0);
  bell.setAttribute("aria-label", number ? `Alerts, ${number} new` : "Alerts");
  writeTitle();
}

function toast(event) {
  const element = document.getElementById("toast-mould").content.firstElementChild.cloneNode(true);
  element.dataset.event = event.id;
  const fields = fieldsOf(element);
  setText(fields.get("title"), event.title);
  setText(fields.get("text"), event.text);
  element.querySelector("button").addEventListener("click", () => element.remove());
  toasts.append(element);
  while (toasts.childElementCount > MOST_TOASTS) toasts.firstElementChild.remove();
}

function writeRecent(body) {
  const badge = recent.querySelector('[data-part="unread"]');
  setText(badge, `${body.unread} new`);
  setHidden(badge, body.unread === 0);
  const rows = body.events.slice(0, MOST_RECENT).map((event) => {
    const row = recent.querySelector("template").content.firstElementChild.cloneNode(true);
    row.dataset.event = event.id;
    row.toggleAttribute("data-new", !event.is_read);
    const fields = fieldsOf(row);
    setText(fields.get("title"), event.title);
    setText(fields.get("text"), event.text);
    setAge(fields.get("created_at"), event.created_at);
    return row;
  });
  recent.querySelector('[data-part="list"]').replaceChildren(...rows);
  setHidden(recent.querySelector('[data-part="none"]'), rows.length > 0);
}

/** Nobody is logged in any more: private texts leave the page. */
function forget() {
  count(0);
  toasts.replaceChildren();
  recent?.remove();
}

function take(body) {
  if (!body) {
    forget();
    return;
  }
  count(body.unread);
  const seen = Number(sessionStorage.getItem(SEEN) ?? body.version);
  sessionStorage.setItem(SEEN, Math.max(seen, body.version));
  const unreadIds = new Set(body.events.filter((each) => !each.is_read).map((each) => String(each.id)));
  for (const shown of [...toasts.children]) if (!unreadIds.has(shown.dataset.event)) shown.remove();
  const raised = body.events.filter((each) => each.id > seen && !each.is_read);
  for (const event of raised.reverse()) {
    toast(event);
    notify(event);
  }
  if (recent) writeRecent(body);
}

onAlerts(take);
new MutationObserver(writeTitle).observe(document.querySelector("title"), { childList: true });
