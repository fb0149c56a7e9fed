// Shared by all charts: times in a zone, design tokens for a canvas, axes.

import { day, number } from "../base/format.js";

// uPlot's minified file is a plain script: the page names it before this module.
export const { uPlot } = globalThis;

// Half the width of a label of the time axis, in pixels.
const LABEL_HALF = 16;

const DAY = 86_400;

/** Times of one zone, given as seconds since 1970. */
export class Times {
  constructor(zone) {
    this.zone = zone;
    const texts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone };
    this.clock = new Intl.DateTimeFormat("en-GB", texts);
    this.exact = new Intl.DateTimeFormat("en-GB", { ...texts, second: "2-digit" });
    this.date = new Intl.DateTimeFormat("sv-SE", { timeZone: zone });
    // Only Indian English has a short name for India's zone.
    const language = zone === "Asia/Kolkata" ? "en-IN" : "en-US";
    this.short = new Intl.DateTimeFormat(language, { timeZone: zone, timeZoneName: "short" });
  }

  /** 14:32 */
  minute(seconds) {
    return this.clock.format(new Date(seconds * 1000));
  }

  /** 11-20 */
  dayOfYear(seconds) {
    return this.date.format(new Date(seconds * 1000)).slice(5);
  }

  /** 14:32:05 */
  second(seconds) {
    return this.exact.format(new Date(seconds * 1000));
  }

  /** EST */
  zoneName(seconds) {
    const parts = this.short.formatToParts(new Date(seconds * 1000));
    return parts.find((part) => part.type === "timeZoneName").value;
  }

  /** 20 Nov 26, 14:32 EST */
  moment(seconds) {
    const at = new Date(seconds * 1000);
    return `${day(this.date.format(at))}, ${this.clock.format(at)} ${this.zoneName(seconds)}`;
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

/** Axis labels short enough for a narrow card, with the decimals the steps need. */
export function axisTexts(splits) {
  const step = splits.length > 1 ? Math.abs(splits[1] - splits[0]) : 1;
  const most = Math.max(...splits.map(Math.abs));
  const unit = most >= 1e9 ? [1e9, "B"] : most >= 1e6 ? [1e6, "M"] : most >= 1e4 ? [1e3, "k"] : [1, ""];
  const apart = step / unit[0];
  let digits = Math.max(0, Math.ceil(-Math.log10(apart) - 1e-9));
  // Steps of 2.5 need one more.
  if (Math.abs(apart * 10 ** digits - Math.round(apart * 10 ** digits)) > 1e-6) digits += 1;
  digits = Math.min(7, digits);
  return splits.map((value) => `${number(value / unit[0], digits)}${unit[1]}`);
}
