// Portfolios with their figures.

import { keepRefreshed } from "../base/refreshed.js";

keepRefreshed(document.querySelector("[data-portfolios]"), "/portfolios", ["figures"]);
