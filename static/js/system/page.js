// The state of the desk.

import { keepRefreshed } from "../base/refreshed.js";

const PARTS = ["processes", "tokens", "chains", "queue", "servers", "calendars", "checks"];

keepRefreshed(document.querySelector("[data-system]"), "/system", PARTS);
