// The heat map as a grid: one tab stop, arrow keys move between cells, Enter selects.

const MOVES = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

export class HeatMap {
  #root;
  #current = null;

  /** `root` stays when the table in it is replaced. */
  constructor(root) {
    this.#root = root;
    root.addEventListener("keydown", (event) => this.#key(event));
    root.addEventListener("focusin", (event) => {
      const link = event.target.closest("[data-cell]");
      if (link) this.#stopAt(link);
    });
    this.adopt();
  }

  /** Take over the current table. */
  adopt() {
    const table = this.#root.querySelector("[data-heat-map]");
    if (!table) return;
    table.setAttribute("role", "grid");
    for (const cell of table.querySelectorAll("td")) {
      cell.setAttribute("role", "gridcell");
      cell.setAttribute("aria-selected", String("chosen" in cell.dataset));
    }
    const links = this.#links();
    const place = this.#current?.split(",").slice(0, 2).join();
    this.#stopAt(
      links.find((link) => place && link.dataset.cell.startsWith(`${place},`)) ??
        table.querySelector("[data-chosen] a") ??
        table.querySelector('[data-mark="worst"] a') ??
        links[0],
    );
  }

  #links() {
    return [...this.#root.querySelectorAll("[data-heat-map] [data-cell]")];
  }

  #stopAt(link) {
    if (!link) return;
    for (const other of this.#links()) other.tabIndex = other === link ? 0 : -1;
    this.#current = link.dataset.cell;
  }

  #key(event) {
    const link = event.target.closest("[data-cell]");
    if (!link || event.altKey || event.metaKey) return;
    const target = this.#target(link, event);
    if (target === undefined) return;
    event.preventDefault();
    if (target === link && event.key === " ") link.click();
    target?.focus();
  }

  /** The link a key leads to; undefined for other keys. */
  #target(link, { key, ctrlKey }) {
    const rows = [...this.#root.querySelectorAll("[data-heat-map] tbody tr")].map((row) => [
      ...row.querySelectorAll("[data-cell]"),
    ]);
    const line = rows.findIndex((row) => row.includes(link));
    const column = rows[line].indexOf(link);
    if (key in MOVES) {
      const [down, right] = MOVES[key];
      return rows[line + down]?.[column + right] ?? link;
    }
    if (key === "Home") return (ctrlKey ? rows[0] : rows[line])[0];
    if (key === "End") return (ctrlKey ? rows.at(-1) : rows[line]).at(-1);
    if (key === "PageUp") return rows[0][column];
    if (key === "PageDown") return rows.at(-1)[column];
    return key === " " ? link : undefined;
  }
}
