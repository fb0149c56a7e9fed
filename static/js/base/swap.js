// Links and forms marked data-swap fetch the part of the page that they name, instead of a page.

import { writeAges } from "./ages.js";
import { LoggedOut, reasonOf } from "./asking.js";
import { tell } from "./cells.js";
import { Parts } from "./parts.js";

export class Swaps {
  #parts = new Parts();
  #root;
  #options;
  // The address of what the page shows: a choice that fails goes back to it.
  #shown = location.pathname + location.search;
  // What was chosen and not answered yet. A later question for its parts answers it too.
  #choice = null;
  // Asks again for the choice that failed. A refresh that fails after it does not take its place.
  #missed = null;

  /**
   * `root` has the status line; the ids of the parts begin with its data-parts.
   *
   * @param {HTMLElement} root
   * @param {object} options
   * @param {Clock} options.clock for the ages in new parts.
   * @param {(url: URL) => string} [options.address] where to fetch what a link or form names.
   * @param {(url: string) => void} [options.chosen] takes the address of a link or a GET form,
   *   and that of before if nothing came.
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

  /**
   * Fetch parts by name and put them in place. Returns them, none if nothing changed; null if it
   * failed or a later question took over. `retry` is offered where it failed.
   */
  async put(address, names, { retry, ...options } = {}) {
    const busy = names.map((name) => this.#part(name)).filter(Boolean);
    for (const element of busy) element.setAttribute("aria-busy", "true");
    try {
      const url = this.#options.address(new URL(address, location.href));
      const placed = await this.#parts.put(url, names, options);
      // A later question tells what becomes of it.
      if (placed) {
        this.#missed = null;
        this.tell("");
        this.#choiceOf(names)?.placed();
      }
      if (!placed?.length) return placed;
      writeAges(this.#options.clock);
      this.#options.placed();
      return placed;
    } catch (error) {
      const choice = this.#choiceOf(names);
      this.#missed = choice?.retry ?? this.#missed;
      if (error instanceof LoggedOut) this.tell(reasonOf(error));
      else {
        const again = retry ?? this.#missed ?? (() => this.put(address, names, options));
        this.tell(`${reasonOf(error)} The page shows the last known state.`, again);
      }
      choice?.failed();
      return null;
    } finally {
      for (const element of busy) element.removeAttribute("aria-busy");
    }
  }

  /** Go to the address of a GET form's filled fields. If nothing comes, its selects go back. */
  choose(form, names = [form.dataset.swap]) {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value.trim()) query.set(name, value.trim());
    const url = `${new URL(form.action).pathname}?${query}`;
    const selects = [...form.elements].filter((element) => element instanceof HTMLSelectElement);
    const values = selects.map((select) => select.value);
    return this.#go(url, names, {
      placed: () => selects.forEach((select, index) => showChoice(select, values[index])),
      failed: () => selects.forEach((select) => showChoice(select)),
    });
  }

  #go(url, names, { placed, failed, ...options } = {}) {
    const retry = () => this.#go(url, names, { placed, failed, ...options });
    this.#choice = {
      names,
      retry,
      placed: () => {
        this.#shown = url;
        this.#options.chosen(url);
        placed?.();
      },
      failed: () => {
        this.#options.chosen(this.#shown);
        failed?.();
      },
    };
    this.#options.chosen(url);
    return this.put(url, names, { ...options, retry });
  }

  /** Take the choice that an answer for these parts settles. */
  #choiceOf(names) {
    const choice = this.#choice;
    if (!choice?.names.every((name) => names.includes(name))) return null;
    this.#choice = null;
    return choice;
  }

  /** Show a problem, with a way to try again; none hides it. */
  tell(problem, retry) {
    tell(this.#root, problem, retry);
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
    const { swap, focus } = link.dataset;
    const placed = await this.#go(url.pathname + url.search, [swap], { fresh: true });
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
    const retry = () => this.#send(form);
    if (!(await this.put(form.action, [form.dataset.swap], { body, retry }))) return;
    const part = this.#part(form.dataset.swap);
    part.querySelector("[aria-invalid]")?.focus();
    this.say(part.querySelector(".notice p")?.textContent ?? "");
    this.#options.sent(form, body);
  }
}

/** Show a choice as the one the page belongs to; without a value, go back to that one. */
function showChoice(select, value = select.querySelector("option[selected]")?.value) {
  for (const option of select.options) option.defaultSelected = option.value === value;
  select.value = value;
}
