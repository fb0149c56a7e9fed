// Format numbers, dates and ages. config/core/web/formatting.py holds the same rules; both
// are tested against tests/config/core/web/format_cases.json. Missing is null and stays null.

export const MINUS = "\u2212";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
// From which size, seen after rounding, a unit is used; and how many decimals make three figures.
const COMPACT_UNITS = [
  [999.5e9, 1e12, "T"],
  [999.5e6, 1e9, "B"],
  [999.5e3, 1e6, "M"],
  [999.5, 1e3, "k"],
  [0, 1, ""],
];
const COMPACT_DIGITS = [
  [99.95, 0],
  [9.995, 1],
  [0.9995, 2],
  [0.09995, 3],
  [0.009995, 4],
  [0, 5],
];

export function finite(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

const isNought = (text) => !/[1-9]/.test(text);

function fixed(value, digits) {
  const [whole, fraction] = Math.abs(value).toFixed(digits).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const text = fraction === undefined ? grouped : `${grouped}.${fraction}`;
  return value < 0 && !isNought(text) ? MINUS + text : text;
}

export function number(value, digits = 2) {
  return finite(value) === null ? null : fixed(value, digits);
}

export function signed(value, digits = 2) {
  const text = number(value, digits);
  return text === null || text.startsWith(MINUS) || isNought(text) ? text : `+${text}`;
}

export function trimmed(value, least, most) {
  const text = number(value, most);
  if (text === null || most === 0) return text;
  const [whole, fraction] = text.split(".");
  const kept = fraction.replace(/0+$/, "").padEnd(least, "0");
  return kept ? `${whole}.${kept}` : whole;
}

export const price = (value) => trimmed(value, 2, 4);

export const strike = (value) => trimmed(value, 0, 4);

export function quantity(value) {
  const text = trimmed(value, 0, 4);
  return text === null || text.startsWith(MINUS) || text === "0" ? text : `+${text}`;
}

export function percent(fraction, digits = 1) {
  return finite(fraction) === null ? null : `${fixed(fraction * 100, digits)}%`;
}

export function points(value, digits = 2) {
  const text = signed(value, digits);
  return text === null ? null : `${text}%`;
}

export function compact(value) {
  if (finite(value) === null) return null;
  if (value === 0) return "0";
  const [, unit, suffix] = COMPACT_UNITS.find(([least]) => Math.abs(value) >= least);
  const scaled = value / unit;
  const [, digits] = COMPACT_DIGITS.find(([least]) => Math.abs(scaled) >= least);
  return fixed(scaled, digits) + suffix;
}

export function counted(value) {
  return Math.abs(value) >= 999.5 ? compact(value) : number(value, 0);
}

export function sign(value, digits = 2) {
  const text = signed(value, digits);
  if (text === null) return "";
  return { "+": "up", [MINUS]: "down" }[text[0]] ?? "flat";
}

// `value` is an ISO date, YYYY-MM-DD.
export function day(value) {
  if (!value) return null;
  const [year, month, date] = value.split("-");
  return `${Number(date)} ${MONTHS[Number(month) - 1]} ${year.slice(2)}`;
}

// `value` is an ISO time with its offset.
export function moment(value) {
  if (!value) return null;
  return `${new Date(value).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export function age(seconds) {
  if (finite(seconds) === null) return null;
  const whole = Math.max(0, Math.floor(seconds));
  for (const [size, name] of [
    [86400, "d"],
    [3600, "h"],
    [60, "m"],
  ]) {
    if (whole >= size) return `${Math.floor(whole / size)}${name}`;
  }
  return `${whole}s`;
}
