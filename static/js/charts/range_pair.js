// A slider with two thumbs: native range inputs, so keyboard and screen readers work.

export class RangePair {
  #element;
  #low;
  #high;
  #text;
  #gap;

  /**
   * @param {HTMLElement} element holds two range inputs, the lower first
   * @param {{gap: number, text: (value: number) => string, onInput?: (low: number, high: number) => void,
   *   onChange?: (low: number, high: number) => void}} options `gap`: least distance of the thumbs
   */
  constructor(element, { gap, text, onInput, onChange }) {
    this.#element = element;
    [this.#low, this.#high] = element.querySelectorAll("input");
    this.#gap = gap;
    this.#text = text;
    for (const input of [this.#low, this.#high]) {
      input.addEventListener("input", () => {
        this.#keepApart(input);
        this.#show();
        onInput?.(...this.values);
      });
      input.addEventListener("change", () => onChange?.(...this.values));
    }
    this.#show();
  }

  get values() {
    return [Number(this.#low.value), Number(this.#high.value)];
  }

  set(low, high) {
    this.#low.value = String(low);
    this.#high.value = String(high);
    this.#show();
  }

  /** Set the ends, the step and the least distance of the thumbs. */
  bound(least, most, step, gap = this.#gap) {
    this.#gap = gap;
    for (const input of [this.#low, this.#high]) {
      Object.assign(input, { min: String(least), max: String(most), step: String(step) });
    }
    this.#show();
  }

  #keepApart(moved) {
    const [low, high] = this.values;
    if (high - low >= this.#gap) return;
    if (moved === this.#low) moved.value = String(high - this.#gap);
    else moved.value = String(low + this.#gap);
  }

  #show() {
    const [low, high] = this.values;
    const least = Number(this.#low.min);
    const length = Number(this.#low.max) - least || 1;
    this.#element.style.setProperty("--low", String((low - least) / length));
    this.#element.style.setProperty("--high", String((high - least) / length));
    this.#low.setAttribute("aria-valuetext", this.#text(low));
    this.#high.setAttribute("aria-valuetext", this.#text(high));
  }
}
