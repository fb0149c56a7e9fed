// The parts around the positions: strip, account cards, tables by expiry and by underlying.

import {
  fieldsOf,
  legsWriter,
  numberBy,
  setAge,
  setChange,
  setHidden,
  setNumber,
  setText,
  sourceName,
  textWriter,
  writeFields,
} from "../base/cells.js";
import * as format from "../base/format.js";

const count = (element, value) => setText(element, String(value ?? 0));

const TOTALS = {
  currency: textWriter,
  net_liquidation: numberBy(format.number),
  market_value: numberBy(format.number),
  daily_change: (element, value) => setChange(element, value),
  daily_change_percent: (element, value) => setText(element, format.points(value)),
  beta_weighted_delta: numberBy(format.number, 1),
  beta_weighted_gamma: numberBy(format.compact),
  dollar_delta: numberBy(format.compact),
  dollar_gamma: numberBy(format.compact),
  theta: numberBy(format.number, 2),
  vega: numberBy(format.number, 2),
  theta_to_net_liq: numberBy(format.percent, 3),
  margin_use: numberBy(format.percent),
  legs: count,
  legs_without_greeks: count,
  legs_without_daily_change: count,
  legs_without_beta: count,
  unconverted: (element, value) => setText(element, value.join(", ")),
  value_conflicts: (element, value) => setText(element, value.join("; ")),
};

export class Strip {
  #fields;
  #meter;
  #unweighted;
  #unconverted;
  #conflicts;

  constructor(root) {
    this.#fields = [...root.querySelectorAll("[data-total]")];
    this.#meter = root.querySelector('[data-meter="margin_use"]');
    this.#unweighted = root.querySelector('[data-part="unweighted"]');
    this.#unconverted = root.querySelector('[data-part="unconverted"]');
    this.#conflicts = root.querySelector('[data-part="value-conflicts"]');
  }

  update(totals) {
    for (const element of this.#fields) {
      const name = element.dataset.total;
      TOTALS[name]?.(element, totals[name]);
    }
    this.#meter.value = totals.margin_use ?? 0;
    setHidden(this.#unweighted, totals.legs_without_beta === 0);
    setHidden(this.#unconverted, totals.unconverted.length === 0);
    setHidden(this.#conflicts, totals.value_conflicts.length === 0);
  }
}

/** When a scenario is, as the filter `ahead` in portfolio/templatetags/risk.py. */
function ahead(days) {
  if (typeof days !== "number") return null;
  return days ? `in ${days} day${days === 1 ? "" : "s"}` : "today";
}

const axis = (element, value) => setText(element, format.quantity(value));
const WORST = {
  pnl: (element, value) => setChange(element, value, 0),
  spot: axis,
  vol: axis,
  days: (element, value) => setText(element, ahead(value)),
  as_of: setAge,
};

/** The worst cell of the scenarios, with its place and age; missing until one is computed. */
export class Worst {
  #fields;
  #where;

  constructor(root) {
    this.#fields = fieldsOf(root.querySelector(".metric-worst"));
    this.#where = root.querySelector('[data-part="worst-where"]');
  }

  update(worst) {
    setHidden(this.#where, !worst);
    writeFields(this.#fields, worst ?? {}, WORST);
  }
}

const money = numberBy(format.number, 0);
const ACCOUNT = {
  label: textWriter,
  account_id: textWriter,
  broker: (element, value) => setText(element, sourceName(value)),
  currency: textWriter,
  net_liquidation: numberBy(format.number),
  buying_power: money,
  excess_liquidity: money,
  maint_margin: money,
  cash: money,
  unrealized_pnl: (element, value) => setChange(element, value, 0),
  realized_pnl: (element, value) => setChange(element, value, 0),
  last_synced: setAge,
  error_message: textWriter,
};

const STEPS = {
  queued: "Waiting for a worker",
  summary: "Account summary",
  positions: "Positions",
  orders: "Orders",
  greeks: "Greeks",
  saving: "Saving",
  done: "Done",
};

export const stepName = (step) => STEPS[step] ?? step ?? "";

export class Accounts {
  #list;
  #mould;
  #cards = new Map();

  constructor(list, mould) {
    this.#list = list;
    this.#mould = mould.content;
    for (const card of list.querySelectorAll("[data-account]")) this.#adopt(card);
  }

  update(accounts, { whole = false } = {}) {
    if (whole) {
      const present = new Set(accounts.map((account) => account.account_id));
      for (const [id, { card }] of this.#cards) {
        if (present.has(id)) continue;
        card.remove();
        this.#cards.delete(id);
      }
    }
    for (const account of accounts) this.#write(account);
  }

  /** What an account is called. */
  nameOf(accountId) {
    return this.#cards.get(accountId)?.fields.get("label").textContent || accountId;
  }

  /** A run's progress on its account's card; a finished run clears it. */
  progress({ account_id: accountId, step, progress, outcome }) {
    const card = this.#cards.get(accountId)?.card;
    if (!card) return;
    const running = outcome === "running";
    card.toggleAttribute("data-syncing", running);
    card.querySelector('[data-part="progress"]').value = running ? progress : 0;
    card.querySelector('[data-part="step"]').textContent = running ? stepName(step) : "";
  }

  #adopt(card) {
    const flags = new Map();
    for (const element of card.querySelectorAll("[data-flag]")) {
      flags.set(element.dataset.flag, element);
    }
    const known = { card, fields: fieldsOf(card), flags };
    this.#cards.set(card.dataset.account, known);
    return known;
  }

  #write(account) {
    let known = this.#cards.get(account.account_id);
    if (!known) {
      const card = this.#mould.querySelector("[data-account]").cloneNode(true);
      card.dataset.account = account.account_id;
      card.setAttribute("aria-label", `Account ${account.label}`);
      card.querySelector("progress").setAttribute("aria-label", `Sync of ${account.label}`);
      this.#list.append(card);
      known = this.#adopt(card);
    }
    writeFields(known.fields, { ...account, error_message: account.error?.message }, ACCOUNT);
    const outcome = account.last_outcome ?? "";
    setHidden(known.flags.get("simulated"), !account.simulated);
    setHidden(known.flags.get("stale"), !account.stale || outcome === "failed");
    setHidden(known.flags.get("unconfirmed_empty"), !account.unconfirmed_empty);
    setHidden(known.flags.get("partial"), outcome !== "partial");
    setHidden(known.flags.get("error"), outcome !== "failed");
    const reason = known.card.querySelector('[data-part="error"]');
    reason.dataset.outcome = outcome;
    setHidden(reason, !account.error);
  }
}

const compact = numberBy(format.compact);
const SUMS = {
  underlying: textWriter,
  expiry: (element, value) => setText(element, format.day(value)),
  dte: count,
  legs: legsWriter,
  market_value: compact,
  daily_change: (element, value) => {
    element.dataset.sign = format.sign(value, 0);
    setNumber(element, value, format.signed(value, 0));
  },
  delta: compact,
  dollar_delta: compact,
  beta_weighted_delta: compact,
  gamma: compact,
  dollar_gamma: compact,
  beta_weighted_gamma: compact,
  theta: compact,
  vega: compact,
};

/** A table of sums: one row per key, in the server's order. */
export class Sums {
  #body;
  #mould;
  #key;
  #rows = new Map();

  constructor(body, mould, key) {
    this.#body = body;
    this.#mould = mould.content;
    this.#key = key;
    for (const row of body.querySelectorAll("[data-row]")) {
      this.#rows.set(row.dataset.row, { row, fields: fieldsOf(row) });
    }
  }

  update(sums) {
    const present = new Set(sums.map((values) => values[this.#key]));
    for (const [key, { row }] of this.#rows) {
      if (present.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    sums.forEach((values, index) => {
      const known = this.#rows.get(values[this.#key]) ?? this.#add(values[this.#key]);
      writeFields(known.fields, values, SUMS);
      const place = this.#body.querySelectorAll("[data-row]")[index];
      if (place !== known.row) this.#body.insertBefore(known.row, place ?? null);
    });
    setHidden(this.#body.querySelector("[data-none]"), sums.length > 0);
  }

  #add(key) {
    const row = this.#mould.querySelector("[data-row]").cloneNode(true);
    row.dataset.row = key;
    this.#body.append(row);
    const known = { row, fields: fieldsOf(row) };
    this.#rows.set(key, known);
    return known;
  }
}
