// Parts of a page as the server renders them: asked for by name in X-Parts, and put in the place
// of the elements with their ids. What stays the same is left alone, so that nothing moves, no
// focus is lost and no typing is overwritten.

import { LoggedOut, Refused } from "./asking.js";
import { flash } from "./cells.js";
import { MINUS } from "./format.js";

const ANSWER_WITHIN = 20_000;
const LOG_IN = "/accounts/login";

export class Parts {
  #etags = new Map();
  #asking = new Map();

  /**
   * Fetch parts and put them in place. A later question for the same parts, or for more, ends an
   * earlier one: its answer or its failure would come over that of the later one.
   *
   * @param {string} url
   * @param {string[]} names
   * @param {{body?: FormData, fresh?: boolean}} options `body` makes it a POST; `fresh` begins the
   *   forms of the parts from scratch.
   * @returns {Promise<Element[]|null>} the elements put in place, none when nothing had changed;
   *   null when a later question took over.
   */
  async put(url, names, { body, fresh = false } = {}) {
    const key = names.join();
    for (const [earlier, asking] of this.#asking) {
      if (earlier.split(",").every((name) => names.includes(name))) asking.abort();
    }
    const asking = new AbortController();
    this.#asking.set(key, asking);
    const question = `${key} ${url.split("#")[0]}`;
    const headers = { "X-Parts": key };
    if (!body && this.#etags.get(key) && this.#etags.get(key)[0] === question) {
      headers["If-None-Match"] = this.#etags.get(key)[1];
    }
    try {
      const answer = await fetch(url, {
        method: body ? "POST" : "GET",
        body,
        headers,
        cache: "no-store",
        signal: AbortSignal.any([asking.signal, AbortSignal.timeout(ANSWER_WITHIN)]),
      });
      if (new URL(answer.url).pathname === LOG_IN) throw new LoggedOut();
      if (answer.status === 304) return [];
      if (!answer.ok) throw await Refused.by(answer);
      const text = await answer.text();
      if (this.#asking.get(key) !== asking) return null;
      const etag = answer.headers.get("ETag");
      if (etag && !body) this.#etags.set(key, [question, etag]);
      else this.#etags.delete(key);
      return place(text, { fresh: fresh || answer.redirected, glow: !body });
    } catch (error) {
      if (error.name === "AbortError") return null;
      throw error;
    } finally {
      if (this.#asking.get(key) === asking) this.#asking.delete(key);
    }
  }
}

function place(text, { fresh, glow }) {
  const parsed = new DOMParser().parseFromString(text, "text/html");
  const placed = [];
  const changed = new Map();
  for (const element of parsed.body.querySelectorAll(":scope > [id]")) {
    const present = document.getElementById(element.id);
    if (!present) continue;
    morph(present, element, changed);
    if (fresh) {
      for (const form of present.querySelectorAll("form:not([data-keep])")) form.reset();
    }
    placed.push(present);
  }
  if (glow) for (const [element, [before, after]] of changed) flash(element, before, after);
  return placed;
}

/** Make `present` what `wanted` is. Elements marked data-keep stay the reader's own; what the server
 * marks data-unchanged stays as it is. */
function morph(present, wanted, changed) {
  if (present.nodeType === Node.TEXT_NODE) {
    if (present.data === wanted.data) return;
    // A link that fills its cell glows in its place: the heat map's colours stay in sight beneath.
    const cell = present.data.trim() && wanted.data.trim() && present.parentElement.closest("td a, td, dd");
    if (cell) changed.set(cell, [numberIn(present.data), numberIn(wanted.data)]);
    present.data = wanted.data;
    return;
  }
  if (present.nodeType !== Node.ELEMENT_NODE || present.hasAttribute("data-keep")) return;
  if (wanted.hasAttribute("data-unchanged")) return;
  morphAttributes(present, wanted);
  morphChildren(present, wanted, changed);
}

/** The number that a text is; undefined if it is another text. */
function numberIn(text) {
  const plain = text.trim().replace(MINUS, "-").replace(/[,+%]/g, "");
  return /^-?\d+(\.\d+)?$/.test(plain) ? Number(plain) : undefined;
}

function morphAttributes(present, wanted) {
  for (const { name } of [...present.attributes]) {
    // What the reader has opened stays open.
    if (!wanted.hasAttribute(name) && name !== "open") present.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (present.getAttribute(name) !== value) present.setAttribute(name, value);
  }
}

const keyOf = (node) =>
  node.nodeType === Node.ELEMENT_NODE
    ? node.id || node.dataset.row || node.dataset.key || null
    : null;

function morphChildren(present, wanted, changed) {
  const unused = new Set(present.childNodes);
  const keyed = new Map();
  for (const child of present.childNodes) {
    const key = keyOf(child);
    if (key) keyed.set(key, child);
  }
  let next = present.firstChild;
  for (const child of [...wanted.childNodes]) {
    const key = keyOf(child);
    const match = key ? keyed.get(key) : alike(next, child, unused);
    if (match && match.nodeName === child.nodeName && unused.delete(match)) {
      if (match === next) next = next.nextSibling;
      else present.insertBefore(match, next);
      morph(match, child, changed);
    } else {
      present.insertBefore(document.importNode(child, true), next);
    }
  }
  for (const child of unused) child.remove();
}

/** The next unused node of the same kind without a key of its own. */
function alike(next, child, unused) {
  for (let node = next; node; node = node.nextSibling) {
    if (unused.has(node) && node.nodeName === child.nodeName && !keyOf(node)) return node;
  }
  return null;
}
