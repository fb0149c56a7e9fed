// Write values into elements exactly as the templates do (config/core/templatetags/desk.py).

import * as format from "./format.js";

// Names of providers, as SOURCES in config/core/templatetags/desk.py.
const SOURCES = {
  ibkr: "IBKR",
  flex: "IBKR Flex",
  ibkr_csv: "IBKR CSV",
  ibkr_flex: "IBKR Flex",
  ibkr_portal: "IBKR portal",
  IBKR: "IBKR",
  tastytrade: "Tasty",
  tastytrade_csv: "Tasty CSV",
  TASTY: "Tastytrade",
  polygon: "Polygon",
  upstox: "Upstox",
  cboe: "Cboe",
  model: "Model",
};
const INSTRUMENT_TYPES = {
  stock: "Shares",
  index: "Index",
  option: "Option",
  future: "Future",
  future_option: "Future option",
  currency: "Currency",
  event_contract: "Event contract",
};

const calm = matchMedia("(prefers-reduced-motion: reduce)");

const missing = document.createElement("template");
missing.innerHTML =
  '<span class="missing" aria-hidden="true">–</span><span class="visually-hidden">no value</span>';

// The last number written into each element: gives a change its direction.
const written = new WeakMap();

export const sourceName = (source) => SOURCES[source] ?? source ?? "";

export const instrumentTypeName = (type) => INSTRUMENT_TYPES[type] ?? type;

/** Write text; null becomes a dash, read out as "no value". True if it changed. */
export function setText(element, text) {
  if (text === null || text === undefined) {
    if (element.querySelector(":scope > .missing")) return false;
    element.replaceChildren(missing.content.cloneNode(true));
    return true;
  }
  if (element.childElementCount === 0 && element.textContent === text) return false;
  element.textContent = text;
  return true;
}

/** Write a number's text; if it changed, its cell glows for a moment. */
export function setNumber(element, value, text) {
  const before = written.get(element);
  written.set(element, value);
  if (setText(element, text) && before !== undefined) flash(element, before, value);
}

/** Write a change: an arrow and a colour repeat its sign. */
export function setChange(element, value, digits = 2) {
  const sign = format.sign(value, digits);
  if (element.dataset.sign !== sign) element.dataset.sign = sign;
  setNumber(element, value, format.signed(value, digits));
}

/** Set a <time>'s instant; the ages' ticking writes its text. */
export function setAge(element, at) {
  if (!at) {
    element.removeAttribute("datetime");
    element.removeAttribute("title");
    delete element.dataset.old;
    setText(element, null);
    return;
  }
  if (Date.parse(element.dateTime) === Date.parse(at)) return;
  element.dateTime = at;
  element.title = format.moment(at);
}

export function setSource(element, source, lastKnown) {
  element.dataset.source = source ?? "";
  element.toggleAttribute("data-last-known", Boolean(source && lastKnown));
  setText(element, source ? sourceName(source) : null);
}

export function setHidden(element, hidden) {
  if (element && element.hidden !== hidden) element.hidden = hidden;
}

// Who has a problem in the page's notice, and where the reader was when it came.
let teller = null;
let reader = null;

/**
 * Show a problem in the page's notice; without one, hide what the same `owner` has told.
 *
 * @param {object} owner
 * @param {string} problem
 * @param {() => void} [retry] does again what failed: the notice offers it, under `label`.
 */
export function tell(owner, problem, retry, label = "Try again") {
  if (!problem && teller !== owner) return;
  const notice = document.querySelector('[data-part="problem"]');
  const again = notice.querySelector('[data-part="retry"]');
  const isHere = notice.contains(document.activeElement);
  if (!isHere) reader = document.activeElement;
  teller = problem ? owner : null;
  notice.firstElementChild.textContent = problem;
  setHidden(again, !retry);
  again.onclick = retry ?? null;
  again.textContent = label;
  setHidden(notice, !problem);
  document.documentElement.toggleAttribute("data-problem", Boolean(problem));
  if (!problem && isHere) reader?.focus();
}

/** Say that the session has ended; the notice leads back here by way of the log-in. */
export function tellLoggedOut(owner) {
  const here = encodeURIComponent(location.pathname + location.search);
  const logIn = () => location.assign(`/accounts/login?next=${here}`);
  tell(owner, "You are logged out. Log in again to see live figures.", logIn, "Log in");
}

/** Every element with data-field below root, by its field. */
export function fieldsOf(root) {
  const fields = new Map();
  for (const element of root.querySelectorAll("[data-field]")) {
    fields.set(element.dataset.field, element);
  }
  return fields;
}

/** Call each field's writer with its element and the row. */
export function writeFields(fields, row, writers) {
  for (const [name, element] of fields) writers[name]?.(element, row[name], row);
}

/** Return a writer for numbers formatted by `rule`. */
export const numberBy =
  (rule, ...digits) =>
  (element, value) =>
    setNumber(element, value, rule(value, ...digits));

/** 7 legs, 1 leg; empty without a count. */
export const legsWriter = (element, value) =>
  setText(element, typeof value === "number" ? `${value} leg${value === 1 ? "" : "s"}` : "");

export const textWriter = (element, value) => setText(element, value ?? "");

// Elements that glow once everything is written, with their colours.
const glowing = new Map();

/** Let an element glow, in the colour of its direction if both numbers are known. */
export function flash(element, before, after) {
  if (calm.matches || document.hidden) return;
  const compared = typeof before === "number" && typeof after === "number" && before !== after;
  const wash = compared ? (after > before ? "var(--up-wash)" : "var(--down-wash)") : "var(--accent-wash)";
  if (glowing.size === 0) queueMicrotask(glow);
  glowing.set(element, wash);
}

/** Only what is in sight glows: on a phone that is a tenth of the book. Asked for all at once,
 * where they stand costs one layout; what is not laid out yet is not in sight. */
function glow() {
  const inSight = [...glowing].filter(([element]) => {
    if (!element.checkVisibility({ contentVisibilityAuto: true })) return false;
    const { top, bottom } = element.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });
  glowing.clear();
  for (const [element, wash] of inSight) {
    element.animate(
      [
        { backgroundColor: wash, boxShadow: `0 0 0 2px ${wash}` },
        { backgroundColor: "transparent", boxShadow: "0 0 0 2px transparent" },
      ],
      { duration: 900, easing: "ease-out" },
    );
  }
}
