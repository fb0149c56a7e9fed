// On a phone the legs of an underlying are shown while its row is open. What is open is kept.

const KEPT = "greekdesk_open_groups";

const opened = new Set(read());

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT));
    return Array.isArray(kept) ? kept : [];
  } catch {
    // Nothing is kept, or storage is not allowed: everything begins closed.
    return [];
  }
}

function keep() {
  try {
    localStorage.setItem(KEPT, JSON.stringify([...opened]));
  } catch {
    // It stays open until the page is left.
  }
}

/** Show whether a group, a <tbody> of the positions, is open. */
export function showGroup(body) {
  const isOpen = opened.has(body.dataset.underlying);
  const button = body.querySelector(".group-toggle");
  body.toggleAttribute("data-open", isOpen);
  button.setAttribute("aria-expanded", String(isOpen));
  button.setAttribute("aria-label", `Legs of ${body.dataset.underlying}`);
}

export function openGroupsOnClick(table) {
  for (const body of table.tBodies) showGroup(body);
  table.addEventListener("click", ({ target }) => {
    const body = target.closest(".group-toggle")?.closest("tbody");
    if (!body) return;
    const { underlying } = body.dataset;
    if (!opened.delete(underlying)) opened.add(underlying);
    showGroup(body);
    keep();
  });
}
