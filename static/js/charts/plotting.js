// Shared by all charts: times in a zone, design tokens for a canvas, axes.

import { day } from "../base/format.js";
import { axisTexts } from "./axis_texts.js";

// Half the width of a label of the time axis, in pixels.
const LABEL_HALF = 16;

const DAY = 86_400;

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const FORMATS = {
  clock: () => ["en-GB", CLOCK],
  exact: () => ["en-GB", { ...CLOCK, second: "2-digit" }],
  date: () => ["sv-SE", {}],
  // Only Indian English has a short name for India's zone.
  short: (zone) => [zone === "Asia/Kolkata" ? "en-IN" : "en-US", { timeZoneName: "short" }],
};
const made = new Map();

/** A formatter, made when it is first asked for: each costs milliseconds. */
function formatOf(kind, zone) {
  const key = `${kind} ${zone}`;
  if (!made.has(key)) {
    const [language, options] = FORMATS[kind](zone);
    made.set(key, new Intl.DateTimeFormat(language, { ...options, timeZone: zone }));
  }
  return made.get(key);
}

/** Times of one zone, given as seconds since 1970. */
export class Times {
  constructor(zone) {
    this.zone = zone;
  }

  /** 14:32 */
  minute(seconds) {
    return this.#write("clock", seconds);
  }

  /** 2026-11-20 */
  day(seconds) {
    return this.#write("date", seconds);
  }

  /** 11-20 */
  dayOfYear(seconds) {
    return this.day(seconds).slice(5);
  }

  /** 14:32:05 */
  second(seconds) {
    return this.#write("exact", seconds);
  }

  /** EST */
  zoneName(seconds) {
    const parts = formatOf("short", this.zone).formatToParts(new Date(seconds * 1000));
    return parts.find((part) => part.type === "timeZoneName").value;
  }

  /** 20 Nov 26, 14:32 EST */
  moment(seconds) {
    return `${day(this.day(seconds))}, ${this.minute(seconds)} ${this.zoneName(seconds)}`;
  }

  #write(kind, seconds) {
    return formatOf(kind, this.zone).format(new Date(seconds * 1000));
  }
}

// Resolved once per theme: reading a computed style costs a pass over the page's styles.
let inks = new WeakMap();
document.addEventListener("theme.changed", () => {
  inks = new WeakMap();
});

/** The style sheet's colours by name, in a form a canvas understands. */
export function inkOf(element, colours) {
  if (!inks.has(colours)) inks.set(colours, resolved(element, colours));
  return inks.get(colours);
}

function resolved(element, colours) {
  const probe = document.createElement("span");
  probe.hidden = true;
  element.append(probe);
  const ink = {};
  for (const [name, value] of Object.entries(colours)) {
    probe.style.color = value;
    ink[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return ink;
}

/** Options shared by all axes. */
export function plainAxis(element, ink) {
  return {
    stroke: ink.faint,
    font: `11px ${getComputedStyle(element).fontFamily}`,
    grid: { stroke: ink.line, width: 1 },
    ticks: { show: false },
    border: { show: false },
  };
}

/** An axis of times; a label at the very edge would be cut in half and is left out. */
export function timeAxis(axis, times) {
  return {
    ...axis,
    size: 22,
    gap: 2,
    space: 56,
    grid: { show: false },
    // Where labels are days apart, a time of day would be midnight on each.
    values: (chart, splits, _axis, _space, step) =>
      splits.map((at) => {
        if (chart.valToPos(at, "x") < LABEL_HALF) return "";
        return step < DAY ? times.minute(at) : times.dayOfYear(at);
      }),
  };
}

/** An axis of values at the right, as wide as its labels need unless a width is given. */
export function valueAxis(axis, width = null) {
  return {
    ...axis,
    side: 1,
    gap: 4,
    space: 32,
    size: (_, labels) =>
      width ?? Math.max(...(labels ?? [""]).map((text) => text.length)) * 6.4 + 10,
    values: (_, splits) => axisTexts(splits),
  };
}

/** A range with padding; a flat line gets a range as large as its value. */
export function spread(low, high) {
  if (low === null || high === null) return [0, 1];
  const air = (high - low) * 0.12 || Math.abs(high) * 0.001 || 1;
  return [low - air, high + air];
}

/** Places of values between two gaps, through which no line goes. */
export function alone(values) {
  return values.flatMap((value, at) => {
    const isAlone = (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null;
    return value !== null && isAlone ? [at] : [];
  });
}
