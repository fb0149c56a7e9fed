// Instrument, expiry, day and resolution: native selects whose choices follow the instrument.

import { setHidden } from "../base/cells.js";
import { day } from "../base/format.js";

export class MarketPickers {
  #form;
  #listed = null;

  /** `onChoose` is called with the choices by name. */
  constructor(form, onChoose) {
    this.#form = form;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", (event) => {
      const { name, value } = event.target;
      // Another instrument has other expiries and days, another day other kept chains.
      if (name === "instrument") onChoose({ instrument: value, instrument_key: null, expiry: null, date: null, at: null });
      else if (name === "date") onChoose({ date: value, at: null });
      else onChoose({ [name]: value });
    });
  }

  /** The instrument shown if the address names none. */
  get first() {
    return this.#form.elements.instrument.options[0].value;
  }

  /** Show the choices that a body of /market/data belongs to. */
  async show(body) {
    const { instrument, resolution } = this.#form.elements;
    const isAnother = instrument.value !== body.slug || this.#listed?.slug !== body.slug;
    instrument.value = body.slug;
    resolution.value = body.resolution;
    this.#choose("expiry", body.expiry);
    this.#choose("date", body.date);
    if (!isAnother) return;
    const listed = await this.#list(body.slug);
    if (!listed || instrument.value !== body.slug) return;
    this.#listed = listed;
    this.#fill("expiry", listed.expiries.map(({ expiry }) => expiry), body.expiry);
    this.#fill("date", listed.dates.toReversed(), body.date);
  }

  /** The times at which chains of a past day were kept, and that of the chain shown. */
  showKept(times, shown) {
    const { at } = this.#form.elements;
    setHidden(at.closest("label"), !times.length);
    at.replaceChildren(...times.map((time) => new Option(time, time, false, time === shown)));
  }

  /** The shown instrument's data; null: not loaded yet. */
  get instrument() {
    return this.#listed;
  }

  async #list(slug) {
    try {
      const answer = await fetch("/api/market/instruments", { signal: AbortSignal.timeout(10_000) });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const { instruments } = await answer.json();
      return instruments.find((each) => each.slug === slug) ?? null;
    } catch {
      // The earlier choices stay; the address can still name any other.
      return null;
    }
  }

  #choose(name, value) {
    const select = this.#form.elements[name];
    if (![...select.options].some((option) => option.value === value)) {
      select.append(new Option(day(value), value));
    }
    select.value = value;
  }

  #fill(name, values, chosen) {
    const all = values.includes(chosen) ? values : [chosen, ...values];
    this.#form.elements[name].replaceChildren(
      ...all.map((value) => new Option(day(value), value, false, value === chosen)),
    );
  }
}
