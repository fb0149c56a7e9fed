// The visible part of a day: all of it, or some minutes up to the latest or to a given time.

const MINUTE = 60;
// The least number of points drawn.
const LEAST_POINTS = 5;
const LEAST_WHOLE = 30 * MINUTE;

export class TimeWindow {
  #first = 0;
  #last = 0;
  #step = MINUTE;

  /** `span`: minutes, null: the whole day. `end`: where it ends; null: with the latest. */
  constructor({ span = null, end = null } = {}) {
    this.span = span;
    this.end = end;
  }

  /** The day's first and latest point and the seconds between two. */
  bound(first, last, step) {
    this.#first = first;
    this.#last = Math.max(last, first);
    this.#step = step;
  }

  get bounds() {
    return [this.#first, Math.max(this.#last, this.#first + LEAST_WHOLE)];
  }

  get isWhole() {
    return this.span === null;
  }

  /** From and to, in seconds, of the visible points. */
  get points() {
    if (this.isWhole) return this.bounds;
    const to = Math.min(this.end ?? this.#last, this.bounds[1]);
    return [Math.max(this.#first, to - this.span * MINUTE), to];
  }

  /** The same, with room for the bars of the first and the last point. */
  get range() {
    const [from, to] = this.points;
    return [from - this.#step * 0.75, to + this.#step * 0.75];
  }

  /** Draw from `from` to `to`. A window that ends at the latest point follows it. */
  show(from, to) {
    const [first, last] = this.bounds;
    const least = LEAST_POINTS * this.#step;
    const length = Math.min(last - first, Math.max(least, to - from));
    const begin = Math.min(Math.max(first, this.#round(from)), last - length);
    const end = begin + length;
    if (length >= last - first) {
      this.reset();
      return;
    }
    this.span = Math.round(length / MINUTE);
    this.end = end >= this.#last - this.#step / 2 ? null : this.#round(end);
  }

  /** Show the last `minutes`; null: all. */
  last(minutes) {
    this.span = minutes;
    this.end = null;
  }

  reset() {
    this.last(null);
  }

  #round(at) {
    return this.#first + Math.round((at - this.#first) / this.#step) * this.#step;
  }
}
