// The state of the desk.

import { keepRefreshed } from "../base/refreshed.js";
import { keepResponsesDrawn } from "./responses.js";

const PARTS = [
  "processes",
  "responses",
  "calls",
  "tokens",
  "chains",
  "cache",
  "queue",
  "servers",
  "calendars",
  "checks",
];

const page = document.querySelector("[data-system]");
keepRefreshed(page, "/system", PARTS);
keepResponsesDrawn(page.querySelector('[data-chart="responses"]'));
