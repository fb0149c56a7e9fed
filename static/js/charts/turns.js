// Long drawings take turns: one a task, while the page has nothing else to do.

// A page that never rests draws all the same, so late at most, in milliseconds.
const LATEST = 300;
const waiting = [];

const soon = globalThis.requestIdleCallback
  ? (task) => requestIdleCallback(task, { timeout: LATEST })
  : (task) => setTimeout(task);

export function inTurn(task) {
  waiting.push(task);
  if (waiting.length === 1) soon(next);
}

function next() {
  try {
    waiting[0]();
  } finally {
    // A drawing that fails keeps no other waiting.
    waiting.shift();
    if (waiting.length) soon(next);
  }
}
