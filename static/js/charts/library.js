// uPlot and its style sheet: fetched when the first chart nears the view, not before.

// Its minified file is a plain script, no module.
export let uPlot;
let coming = null;

function added(element) {
  return new Promise((resolve, reject) => {
    element.addEventListener("load", resolve);
    element.addEventListener("error", () => {
      element.remove();
      reject(new Error("uPlot could not be loaded"));
    });
    document.head.append(element);
  });
}

async function fetched() {
  // The page names both in partials/chart_library.html.
  const addressOf = (id) => document.getElementById(id).href;
  const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: addressOf("chart-style") });
  const script = Object.assign(document.createElement("script"), { src: addressOf("chart-library") });
  await Promise.all([added(style), added(script)]);
  uPlot = globalThis.uPlot;
}

/** Resolve when uPlot can be used; reject if it cannot be loaded, and try again at the next call. */
export function fetchLibrary() {
  coming ??= fetched().catch((error) => {
    coming = null;
    throw error;
  });
  return coming;
}
