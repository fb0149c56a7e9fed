// The minutes of one chain as the charts draw them: the stored ones, then those
// forming. Nothing is filled in: a gap is null, and so is a change over a gap.

export const GREEKS = ["vega", "delta", "gamma", "theta"];
export const SIDES = ["total", "call", "put"];
// Decimals of each Greek's sums, as DIGITS in greeks/templatetags/market.py.
export const DIGITS = { delta: 3, gamma: 5, theta: 2, vega: 2 };
export const FACTS = [
  "spot",
  "pcr",
  "max_pain",
  "atm_implied_volatility",
  "call_open_interest",
  "put_open_interest",
  "contracts",
  "contracts_without_greeks",
  "contracts_filled",
];
const MEASURES = ["close", "change", "from_open"];
// The name of a step of each resolution, as STEPS in greeks/templatetags/market.py.
const STEPS = { "1m": "minute", "5m": "5 minutes", "15m": "15 minutes", "30m": "30 minutes", "1h": "hour" };

const seconds = (iso) => Date.parse(iso) / 1000;
const difference = (one, other) => (one === null || other === null ? null : one - other);

const sum = (one, other) => (one === null ? other : other === null ? one : one + other);

/** The body with every column: both sides are the sum of calls and puts, changes are differences. */
function derived(body) {
  const { steps } = body;
  const at = (value) => Array.from({ length: steps }, () => value);
  const gap = at(false);
  for (const index of body.gap) gap[index] = true;
  const expected = at(1);
  const seen = at(1);
  for (const [index, found, wanted] of body.short) [seen[index], expected[index]] = [found, wanted];
  const latest = gap.lastIndexOf(false);
  // What is shown of the last step alone stands there alone.
  const alone = (value) => Object.assign(at(null), latest < 0 ? {} : { [latest]: value ?? null });
  const facts = Object.fromEntries(FACTS.map((name) => [name, alone(body.latest?.[name])]));
  const series = {};
  for (const greek of GREEKS) {
    series[greek] = {};
    for (const side of SIDES) {
      const column = (sides) =>
        side === "total" ? sides.call.map((value, index) => sum(value, sides.put[index])) : sides[side];
      const of = Object.fromEntries(
        ["close", "change", "from_open", "crossed"].filter((name) => body[name]).map((name) => [name, column(body[name][greek])]),
      );
      of.change ??= of.close.map((value, index) => (index ? difference(value, of.close[index - 1]) : null));
      if (!of.from_open) {
        const base = body.base_close?.[greek];
        const start = base ? (side === "total" ? sum(base.call, base.put) : base[side]) : null;
        of.from_open = of.close.map((value) => difference(value, start));
      }
      series[greek][side] = of;
    }
  }
  const { vendor: sums } = body.latest ?? {};
  const vendor = sums && Object.fromEntries(
    GREEKS.map((greek) => [greek, Object.fromEntries(SIDES.map((side) => [side, alone(sums[greek][side])]))]),
  );
  return { ...body, ...facts, spot: body.spot, gap, samples_seen: seen, samples_expected: expected, series, vendor };
}

export class MarketSeries {
  #stored = 0;
  #forming = [];
  // Cached for the current stored and forming minutes; null once either changes.
  #times = null;

  constructor(body) {
    this.body = derived(body);
    this.step = body.step_seconds;
    this.at = Array.from({ length: body.steps }, (_, index) => seconds(body.first_minute) + index * this.step);
    this.#stored = this.at.length;
    this.isFiltered = body.delta_min > 0 || body.delta_max < 1;
    if (body.forming) this.sampled(body.forming);
  }

  /** The span of a change: "minute", "5 minutes". */
  get stepName() {
    return STEPS[this.body.resolution];
  }

  /** Stored minutes and forming ones. */
  get length() {
    return this.#stored + this.#forming.length;
  }

  get stored() {
    return this.#stored;
  }

  /** Every minute's time, in seconds. */
  get times() {
    this.#times ??= [...this.at.slice(0, this.#stored), ...this.#forming.map(({ at }) => at)];
    return this.#times;
  }

  get opening() {
    return this.body.session ? seconds(this.body.session.opens_at) : (this.at[0] ?? 0);
  }

  /** Runs of gaps, each as the times of its first and last minute. */
  get gaps() {
    const runs = [];
    for (let index = 0; index < this.#stored; index += 1) {
      if (!this.body.gap[index]) continue;
      if (index > 0 && this.body.gap[index - 1]) runs.at(-1)[1] = this.at[index];
      else runs.push([this.at[index], this.at[index]]);
    }
    return runs;
  }

  /** Add a sample of the forming minute. False: its minute is stored already. */
  sampled(sample) {
    if (this.isFiltered) return false;
    const minute = seconds(sample.minute);
    const at = this.opening + Math.floor((minute - this.opening) / this.step) * this.step;
    const last = this.at.at(-1);
    if (last !== undefined && at < last) return false;
    // Of five minutes some may be stored: the sample is newer than their last.
    if (at === last && this.step === 60) return false;
    this.#stored = at === last ? this.at.length - 1 : this.at.length;
    // The minute before stays until it is stored: its last sample is its close.
    this.#forming = this.#forming.filter((one) => one.at < at && one.at > (this.at[this.#stored - 1] ?? 0));
    this.#forming.push({ at, sample });
    this.#times = null;
    return true;
  }

  /** Add a stored minute. False: it does not follow, so the whole body must be read. */
  closed({ row, velocity, base }) {
    if (this.isFiltered || this.step !== 60) return false;
    const at = seconds(row.minute);
    const last = this.at.at(-1);
    if (last === undefined ? at !== this.opening : at !== last && at !== last + this.step) return false;
    const index = at === last ? this.at.length - 1 : this.at.length;
    this.at[index] = at;
    for (const greek of GREEKS) {
      for (const side of SIDES) {
        for (const measure of MEASURES) {
          this.body.series[greek][side][measure][index] = row.series[greek][side][measure];
        }
        if (this.body.vendor) this.body.vendor[greek][side][index] = row.vendor[greek][side];
      }
    }
    for (const name of [...FACTS, "gap", "samples_seen", "samples_expected"]) this.body[name][index] = row[name];
    Object.assign(this.body, { velocity, base });
    this.#stored = this.at.length;
    this.#forming = this.#forming.filter((one) => one.at > at);
    this.#times = null;
    return true;
  }

  /** The newest sample; null if everything is stored. */
  get forming() {
    return this.#forming.at(-1)?.sample ?? null;
  }

  /** The last minute of a point, whose value it has: of a step the last one that is over. */
  endOf(index) {
    const at = this.times[index];
    const latest = this.isForming(index) ? this.forming.minute : this.body.as_of;
    const last = latest ? Math.floor(seconds(latest) / 60) * 60 : at;
    return Math.max(at, Math.min(at + this.step - 60, last));
  }

  isForming(index) {
    return index >= this.#stored;
  }

  isGap(index) {
    return !this.isForming(index) && this.body.gap[index];
  }

  /** close, change or from_open of one side of a Greek at a point; null: missing. */
  value(greek, side, measure, index) {
    if (index < 0 || index >= this.length) return null;
    if (!this.isForming(index)) return this.body.series[greek][side][measure][index];
    const place = index - this.#stored;
    const close = this.#forming[place].sample.sums[greek][side];
    if (measure === "close") return close;
    if (measure === "change") return difference(close, this.#before(greek, side, index));
    return difference(close, this.#base(greek, side));
  }

  column(greek, side, measure) {
    const stored = this.body.series[greek][side][measure].slice(0, this.#stored);
    for (let index = this.#stored; index < this.length; index += 1) {
      stored.push(this.value(greek, side, measure, index));
    }
    return stored;
  }

  /** The close of the point right before; none across a gap in time. */
  #before(greek, side, index) {
    const times = this.times;
    if (index === 0 || times[index] - times[index - 1] !== this.step) return null;
    return this.value(greek, side, "close", index - 1);
  }

  /** The close from which changes since the open count. */
  #base(greek, side) {
    const { close, from_open: fromOpen } = this.body.series[greek][side];
    const index = fromOpen.findLastIndex((value) => value !== null);
    return index < 0 ? null : close[index] - fromOpen[index];
  }

  /** Samples of a point: seen and expected. */
  samples(index) {
    const { samples_seen: seen, samples_expected: expected } = this.isForming(index)
      ? this.#forming[index - this.#stored].sample
      : {
          samples_seen: this.body.samples_seen[index],
          samples_expected: this.body.samples_expected[index],
        };
    return { seen, expected };
  }

  velocity(greek, side) {
    return this.body.velocity[greek][side];
  }

  /** The last point that is not a gap; -1: none. */
  get latest() {
    for (let index = this.length - 1; index >= 0; index -= 1) if (!this.isGap(index)) return index;
    return -1;
  }

  /** Facts about the whole chain, from the newest sample or the last stored minute. */
  get facts() {
    const sample = this.forming;
    const { latest } = this;
    const facts = { source: this.body.source, as_of: sample?.as_of ?? this.body.as_of };
    for (const name of FACTS) {
      facts[name] = sample ? sample[name] : latest < 0 ? null : this.body[name][latest];
    }
    return facts;
  }

  /** The spot that changes since the open count from; of a session that began since, the first one seen. */
  get firstSpot() {
    return this.body.opening_spot ?? this.body.spot.find((value) => value !== null) ?? null;
  }

  /** Sums over all contracts and over those with the vendor's own Greeks, as they are now. */
  sums(greek, side) {
    const { forming: sample } = this;
    if (sample) return { all: sample.sums[greek][side], vendor: sample.vendor[greek][side] };
    const { latest } = this;
    return {
      all: this.value(greek, side, "close", latest),
      vendor: this.body.vendor?.[greek][side][latest] ?? null,
    };
  }
}
