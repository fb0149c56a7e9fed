// Labels of an axis of values: no two read alike, and zero reads 0.

import { MINUS, number } from "../base/format.js";

// From which size a unit is used.
const UNITS = [
  [1e12, 1e12, "T"],
  [1e9, 1e9, "B"],
  [1e6, 1e6, "M"],
  [1e4, 1e3, "k"],
];
// A unit that needs more decimals gives way to a smaller one.
const DIGITS_OF_UNIT = 2;
// More decimals than these are written as a power of ten.
const MOST_DIGITS = 7;
// Steps are sums of binary fractions: so far, as a share of a step, they are off.
const NOISE = 1e-6;

/** The decimals that write a step without rest. */
function digitsOf(step) {
  let digits = 0;
  while (digits < MOST_DIGITS + 1 && Math.abs(step - Number(step.toFixed(digits))) > step * NOISE) digits += 1;
  return digits;
}

function exponential(value, step) {
  const digits = Math.max(0, Math.floor(Math.log10(Math.abs(value))) - Math.floor(Math.log10(step)) + 1);
  return value.toExponential(Math.min(digits, 12)).replaceAll("-", MINUS).replace("+", "").replace(/\.?0*e/, "e");
}

/** Texts short enough for a narrow card, with the unit and the decimals that the steps need. */
export function axisTexts(splits) {
  const sizes = splits.map(Math.abs);
  const apart = splits.slice(1).map((value, index) => Math.abs(value - splits[index]));
  const most = Math.max(...sizes);
  const step = Math.min(...apart.filter((distance) => distance > 0), most || 1);
  const fitting = UNITS.find(([least, unit]) => most >= least && digitsOf(step / unit) <= DIGITS_OF_UNIT);
  const [, unit, suffix] = fitting ?? [0, 1, ""];
  const digits = digitsOf(step / unit);
  return splits.map((value) => {
    if (Math.abs(value) < step * NOISE) return "0";
    return digits > MOST_DIGITS ? exponential(value, step) : `${number(value / unit, digits)}${suffix}`;
  });
}
