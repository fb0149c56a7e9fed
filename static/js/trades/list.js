// The list of trades by keyboard: j and k step, Enter opens, x chooses, / goes to the filter.

const rows = () => [...document.querySelectorAll("[data-trade]")];
const linkOf = (row) => row.querySelector("th a");

function current() {
  return document.activeElement?.closest?.("[data-trade]") ?? null;
}

function step(by) {
  const all = rows();
  const from = all.indexOf(current());
  const to = from < 0 ? 0 : Math.min(all.length - 1, Math.max(0, from + by));
  if (!all[to]) return;
  linkOf(all[to]).focus();
  all[to].scrollIntoView({ block: "nearest" });
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  x: () => {
    const box = current()?.querySelector('input[type="checkbox"]');
    if (box) box.checked = !box.checked;
  },
  "/": () => document.getElementById("underlying").focus(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.('input:not([type="checkbox"]), select, textarea');
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
