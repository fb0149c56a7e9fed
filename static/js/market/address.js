// The page's address holds every choice, so it can be shared and revisited.

// Choices of data: changing one adds a history entry; changing how it is drawn does not.
const CHOOSING = ["instrument", "expiry", "date", "at", "resolution", "delta_min", "delta_max"];
const DEFAULTS = {
  resolution: "1m",
  delta_min: "0",
  delta_max: "1",
  side: "total",
  span: "day",
  measure: "open_interest",
};

// As DRAWN_SIDES in greeks/market/page.py and MEASURES in greeks/templatetags/market.py.
const DRAWINGS = {
  side: ["total", "call", "put", "split"],
  measure: ["open_interest", "volume", "iv", "delta", "gamma", "theta", "vega"],
};

export class MarketAddress {
  /** `onReturn` is called when the reader goes back or forward. */
  constructor(onReturn) {
    addEventListener("popstate", () => onReturn());
  }

  /** Of a name that is given twice the last, as the desk reads it; a drawing that does not exist is
   * the default one. */
  get(name) {
    const value = new URLSearchParams(location.search).getAll(name).at(-1);
    const isKnown = !(name in DRAWINGS) || DRAWINGS[name].includes(value);
    return (isKnown ? value : null) ?? DEFAULTS[name] ?? null;
  }

  /** Remove names from the address that mean nothing here. */
  drop(names) {
    this.set(Object.fromEntries(names.map((name) => [name, null])), { isChoice: false });
  }

  /** Write the choices; null or a default removes the name. */
  set(values, { isChoice = CHOOSING.some((name) => name in values) } = {}) {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === DEFAULTS[name]) query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString().replaceAll("%3A", ":");
    const url = location.pathname + (text ? `?${text}` : "");
    if (url === location.pathname + location.search) return;
    if (isChoice) history.pushState(null, "", url);
    else history.replaceState(null, "", url);
  }
}
