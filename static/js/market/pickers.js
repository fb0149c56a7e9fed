// Instrument, expiry, day, resolution and kept chain: the choices follow the instrument.

import { day } from "../base/format.js";
import { Pickers } from "../base/pickers.js";

export class MarketPickers extends Pickers {
  #listed = null;

  /** `onChoose` is called with the choices by name. */
  constructor(form, onChoose) {
    super(form, (name, value) => {
      // Another instrument has other expiries and days, another day other kept chains.
      if (name === "instrument") onChoose({ instrument: value, instrument_key: null, expiry: null, date: null, at: null });
      else if (name === "date") onChoose({ date: value, at: null });
      else onChoose({ [name]: value });
    });
  }

  /** Show the choices that a body of /market/data belongs to. */
  async show(body) {
    const isAnother = this.value("instrument") !== body.slug || this.#listed?.slug !== body.slug;
    this.choose("instrument", body.slug);
    this.choose("resolution", body.resolution);
    this.choose("expiry", body.expiry, day);
    this.choose("date", body.date, day);
    if (!isAnother) return;
    const listed = await this.#list(body.slug);
    if (!listed || this.value("instrument") !== body.slug) return;
    this.#listed = listed;
    this.#fillDays("expiry", listed.expiries.map(({ expiry }) => expiry), body.expiry);
    this.#fillDays("date", listed.dates.toReversed(), body.date);
  }

  /** The times at which chains of a past day were kept, and that of the chain shown. */
  showKept(times, shown) {
    this.fill("at", times, { chosen: shown });
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

  #fillDays(name, days, chosen) {
    this.fill(name, days.includes(chosen) ? days : [chosen, ...days], { chosen, textOf: day });
  }
}
