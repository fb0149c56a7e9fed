// The selects of a page's head: native, and their choices may follow what the page shows.

import { setHidden } from "./cells.js";

export class Pickers {
  #form;

  /** `onChoose` is called with the name and the value of what was chosen. */
  constructor(form, onChoose) {
    this.#form = form;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", ({ target }) => onChoose(target.name, target.value));
  }

  value(name) {
    return this.#select(name).value;
  }

  /** The first of the choices. */
  first(name) {
    return this.#select(name).options[0].value;
  }

  /** Show a choice; `textOf` writes one that is not listed. */
  choose(name, value, textOf = String) {
    const select = this.#select(name);
    if (![...select.options].some((option) => option.value === value)) {
      select.append(new Option(textOf(value), value));
    }
    select.value = value;
  }

  /** Replace the choices; without any the select is hidden. `every` is the text of no choice. */
  fill(name, values, { chosen, textOf = String, every } = {}) {
    const select = this.#select(name);
    const all = every === undefined ? [] : [new Option(every, "")];
    const options = values.map((value) => new Option(textOf(value), value, false, value === chosen));
    select.replaceChildren(...all, ...options);
    setHidden(select.closest("label"), !select.options.length);
  }

  #select(name) {
    return this.#form.elements[name];
  }
}
