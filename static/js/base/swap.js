// Links and forms marked data-swap fetch the part of the page that they name, instead of a page.

import { writeAges } from "./ages.js";
import { tell } from "./cells.js";
import { LoggedOut, Parts } from "./parts.js";

export class Swaps {
  #parts = new Parts();
  #root;
  #options;

  /**
   * `root` has the notice for problems and the status line; the ids of the parts begin with its
   * data-parts.
   *
   * @param {HTMLElement} root
   * @param {object} options
   * @param {Clock} options.clock for the ages in new parts.
   * @param {(url: URL) => string} [options.address] where to fetch what a link or form names.
   * @param {(url: string) => void} [options.chosen] takes the address of a link or a GET form.
   * @param {() => void} [options.placed] runs after parts were put in place.
   * @param {(form: HTMLFormElement, body: FormData) => void} [options.sent] runs after a POST.
   */
  constructor(root, options) {
    this.#root = root;
    const address = (url) => url.pathname + url.search;
    this.#options = { address, chosen() {}, placed() {}, sent() {}, ...options };
    document.addEventListener("click", (event) => this.#click(event));
    document.addEventListener("submit", (event) => this.#submit(event));
  }

  /** Fetch parts by name and put them in place. Returns them; null if nothing changed or it failed. */
  async put(address, names, options = {}) {
    const busy = names.map((name) => this.#part(name)).filter(Boolean);
    for (const element of busy) element.setAttribute("aria-busy", "true");
    try {
      const url = this.#options.address(new URL(address, location.href));
      const placed = await this.#parts.put(url, names, options);
      this.tell("");
      if (placed === null) return null;
      writeAges(this.#options.clock);
      this.#options.placed();
      return placed;
    } catch (error) {
      this.tell(
        error instanceof LoggedOut
          ? "You are logged out. Log in again to continue; what you typed stays."
          : "The desk did not answer. The page shows the last known state.",
      );
      return null;
    } finally {
      for (const element of busy) element.removeAttribute("aria-busy");
    }
  }

  /** Go to the address of a GET form's filled fields. */
  choose(form, names = [form.dataset.swap]) {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value.trim()) query.set(name, value.trim());
    const url = `${new URL(form.action).pathname}?${query}`;
    this.#options.chosen(url);
    return this.put(url, names);
  }

  tell(problem) {
    tell(this.#root, problem);
  }

  /** Say what was done to those who do not see it. */
  say(text) {
    this.#root.querySelector('[data-part="status"]').textContent = text;
  }

  #part(name) {
    return document.getElementById(`${this.#root.dataset.parts}-${name}`);
  }

  async #click(event) {
    const link = event.target.closest("a[data-swap]");
    const plain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey);
    if (!link || !plain) return;
    event.preventDefault();
    const url = new URL(link.href);
    this.#options.chosen(url.pathname + url.search);
    const { swap, focus } = link.dataset;
    const placed = await this.put(url, [swap], { fresh: true });
    if (placed && focus) document.getElementById(focus).focus();
  }

  #submit(event) {
    const form = event.target;
    if (!form.dataset.swap) return;
    event.preventDefault();
    if (form.method === "post") this.#send(form);
    else this.choose(form);
  }

  async #send(form) {
    const body = new FormData(form);
    if (!(await this.put(form.action, [form.dataset.swap], { body }))) return;
    const part = this.#part(form.dataset.swap);
    part.querySelector("[aria-invalid]")?.focus();
    this.say(part.querySelector(".notice p")?.textContent ?? "");
    this.#options.sent(form, body);
  }
}
