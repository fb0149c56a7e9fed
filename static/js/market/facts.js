// Facts about the whole chain: the strip, the sums, the state in the page's head.

import { numberBy, setAge, setChange, setSource, setText } from "../base/cells.js";
import { counted, number, percent, points, strike as strikeText } from "../base/format.js";
import { atTheMoney } from "./chain.js";
import { DIGITS } from "./series.js";

const share = (part, whole) => (whole && part !== null ? part / whole : null);
const apart = (value, base) => (value === null || !base ? null : (value / base - 1) * 100);

const WRITERS = {
  spot: numberBy(number),
  spot_change: (element, value) => setChange(element, value),
  spot_change_share: (element, value) => setText(element, points(value)),
  atm_implied_volatility: numberBy(percent, 2),
  atm_strike: (element, value) => setText(element, strikeText(value)),
  pcr: numberBy(number, 3),
  max_pain: numberBy(strikeText),
  max_pain_distance: (element, value) => setText(element, points(value)),
  call_open_interest: numberBy(counted),
  put_open_interest: numberBy(counted),
  contracts: (element, value) => setText(element, number(value, 0)),
  contracts_without_greeks: (element, value) => setText(element, number(value, 0)),
  contracts_filled: (element, value) => setText(element, number(value, 0)),
  filled_share: (element, value) => setText(element, percent(value)),
  as_of: setAge,
  source: (element, value) => setSource(element, value, false),
  name: setText,
  currency: setText,
  session: setText,
  open_interest_unit: setText,
};

export class MarketFacts {
  #fields;
  #sums;

  constructor(page) {
    const places = '.market-head, [data-part="strip"], [data-part="sums"]';
    this.#fields = [...page.querySelectorAll(places)].flatMap((place) => [
      ...place.querySelectorAll("[data-field]"),
    ]);
    this.#sums = [...page.querySelectorAll('[data-part="sums"] tr[data-of]')];
  }

  /** Write the given fields; others stay. */
  write(values) {
    for (const element of this.#fields) {
      const name = element.dataset.field;
      if (name in values) WRITERS[name](element, values[name]);
    }
  }

  draw(series, chain) {
    const { facts, firstSpot } = series;
    const { spot } = facts;
    this.write({
      ...facts,
      spot_change: spot === null || firstSpot === null ? null : spot - firstSpot,
      spot_change_share: apart(spot, firstSpot),
      max_pain_distance: apart(facts.max_pain, spot),
      filled_share: share(facts.contracts_filled, facts.contracts),
      // Not read yet: the one rendered stays.
      ...(chain === undefined ? {} : { atm_strike: chain && atTheMoney(chain.strikes, spot) }),
    });
    for (const row of this.#sums) {
      const { greek, of: kind } = row.dataset;
      for (const cell of row.cells) {
        if (!cell.dataset.side) continue;
        const { all, vendor } = series.sums(greek, cell.dataset.side);
        setText(cell, number(kind === "sums" ? all : vendor, DIGITS[greek]));
      }
    }
  }
}
