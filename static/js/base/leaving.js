// Links and forms that lead to another page. Unless the page is live, the desk is asked first whether
// it answers: the browser's own error page would replace what is shown and what is typed.

import { reasonOf } from "./asking.js";
import { tell } from "./cells.js";

const ANSWER_WITHIN = 10_000;
const LIVE = '[data-part="connection"][data-state="live"]';

const passed = new WeakSet();

/** Begin. On the window, the page's own handlers have had their turn. */
export function keepPageUnlessDeskAnswers() {
  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (link && leads(link, event)) ask(event, () => location.assign(link.href));
  });
  addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    if (passed.delete(form)) return;
    ask(event, () => {
      passed.add(form);
      form.requestSubmit(submitter);
    });
  });
}

function leads(link, event) {
  const plain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (!plain || link.origin !== location.origin || link.target || link.hasAttribute("download")) return false;
  return link.pathname + link.search !== location.pathname + location.search || !link.hash;
}

function ask(event, go) {
  if (event.defaultPrevented || (navigator.onLine && document.querySelector(LIVE))) return;
  event.preventDefault();
  goIfAnswered(go);
}

/** Call `go` if the desk answers; else say so, stay, and offer to try again. */
export async function goIfAnswered(go) {
  try {
    // Any answer is one: what it says is for the next page to tell.
    await fetch("/health", { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN) });
    tell(document, "");
  } catch (error) {
    tell(document, `${reasonOf(error)} This page stays as it is.`, () => goIfAnswered(go));
    return false;
  }
  go();
  return true;
}
