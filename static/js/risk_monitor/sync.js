// "Sync now": requests a sync of every account, says what runs, and follows the runs to the end, over a
// reload as well.

import { stepName } from "./summary.js";

import { Refused, reasonOf } from "../base/asking.js";

const POLL_EVERY = 1500;
// Frames usually report progress; a run without a frame for this long is polled.
const SILENT_AFTER = 2500;
const GIVE_UP_AFTER = 120_000;
// The runs that this tab waits for.
const KEPT = "greekdesk_sync";

const counted = (accounts) => `${accounts} account${accounts === 1 ? "" : "s"}`;

export class SyncButton {
  #form;
  #button;
  #label;
  #bar;
  #status;
  #steps;
  #nameOf;
  #onProblem;
  #onProgress;
  #onFinished;
  #runs = new Map();
  #startedAt = 0;
  #heardAt = 0;

  constructor(form, { status, steps, nameOf, onProblem, onProgress, onFinished }) {
    this.#form = form;
    this.#button = form.querySelector("button");
    this.#label = form.querySelector('[data-part="label"]');
    this.#bar = form.querySelector("progress");
    this.#status = status;
    this.#steps = steps;
    this.#nameOf = nameOf;
    this.#onProblem = onProblem;
    this.#onProgress = onProgress;
    this.#onFinished = onFinished;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    if (kept.length === 0) return;
    this.#busy(true);
    this.#follow(kept);
    this.#heardAt = 0;
  }

  /** Take a sync.progressed frame, or the same facts from a poll. */
  progressed(progress) {
    const run = this.#runs.get(progress.run_id);
    if (!run) return;
    this.#heardAt = Date.now();
    Object.assign(run, progress);
    this.#show();
    if ([...this.#runs.values()].every((each) => each.outcome !== "running")) this.#finish();
  }

  async #start() {
    if (this.#runs.size > 0) return;
    this.#busy(true);
    this.#onProblem("");
    try {
      const account = this.#form.elements.account_id.value;
      const answer = await fetch("/api/portfolio/sync", {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          "X-CSRFToken": this.#form.elements.csrfmiddlewaretoken.value,
          "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`,
        },
        body: JSON.stringify(account ? { account_id: account } : {}),
        signal: AbortSignal.timeout(15_000),
      });
      if (!answer.ok) throw await Refused.by(answer);
      const body = await answer.json();
      if (body.runs.length === 0) throw new Refused("There is no account to sync.");
      sessionStorage.setItem(KEPT, JSON.stringify(body.runs));
      this.#follow(body.runs);
    } catch (error) {
      this.#onProblem(`The sync could not be started. ${reasonOf(error)}`, () => this.#start());
      this.#busy(false);
    }
  }

  async #follow(runs) {
    for (const run of runs) {
      this.#runs.set(run.id, { ...run, step: "queued", progress: 0, outcome: "running" });
    }
    this.#startedAt = this.#heardAt = Date.now();
    this.#status.textContent = `Syncing ${counted(this.#runs.size)}`;
    this.#show();
    while (this.#runs.size > 0) {
      await new Promise((resolve) => setTimeout(resolve, POLL_EVERY));
      if (this.#runs.size === 0) return;
      if (Date.now() - this.#startedAt > GIVE_UP_AFTER) {
        this.#runs.clear();
        this.#busy(false);
        this.#onProblem("The sync is taking unusually long. It continues in the background.");
        return;
      }
      if (Date.now() - this.#heardAt >= SILENT_AFTER) await this.#ask();
    }
  }

  async #ask() {
    for (const run of [...this.#runs.values()]) {
      if (run.outcome !== "running") continue;
      try {
        const answer = await fetch(run.status_url, {
          cache: "no-store",
          signal: AbortSignal.timeout(10_000),
        });
        // Of another reader, or of before the desk was set up anew.
        if (answer.status === 404) this.#runs.delete(run.id);
        if (this.#runs.size === 0) this.#busy(false);
        if (!answer.ok) continue;
        const body = await answer.json();
        const progress = { ...body, run_id: body.id, error: body.error?.message ?? "" };
        this.#onProgress(progress);
        this.progressed(progress);
      } catch {
        // The next round asks again; the connection state says that the desk is not reachable.
      }
    }
  }

  #show() {
    const runs = [...this.#runs.values()];
    const done = runs.reduce((sum, run) => sum + (run.outcome === "running" ? run.progress : 100), 0);
    const percent = Math.round(done / runs.length);
    this.#bar.value = percent;
    this.#label.textContent = `Syncing ${percent}%`;
    const running = runs.filter((run) => run.outcome === "running");
    const steps = running.map((run) => `${this.#nameOf(run.account_id)} (${stepName(run.step).toLowerCase()})`);
    this.#steps.textContent = steps.length ? `: ${steps.join(", ")}` : "";
  }

  #finish() {
    const runs = [...this.#runs.values()];
    this.#runs.clear();
    this.#busy(false);
    const failed = runs.filter((run) => run.outcome === "failed");
    const partly = runs.filter((run) => run.outcome === "partial");
    const names = (some) => some.map((run) => this.#nameOf(run.account_id)).join(", ");
    this.#status.textContent = failed.length
      ? `Sync failed for ${names(failed)}`
      : `Sync finished: ${counted(runs.length)}${partly.length ? `, ${names(partly)} in part` : ""}`;
    if (failed.length) {
      const told = failed.map((run) => `${this.#nameOf(run.account_id)}: ${run.error || "no reason given"}`);
      this.#onProblem(`Sync failed, the last good book is kept. ${told.join(" · ")}`);
    }
    this.#onFinished();
  }

  #busy(busy) {
    this.#button.disabled = busy;
    this.#form.toggleAttribute("data-running", busy);
    this.#bar.value = 0;
    this.#steps.textContent = "";
    this.#status.textContent = "";
    if (!busy) sessionStorage.removeItem(KEPT);
    this.#label.textContent = busy ? "Syncing 0%" : "Sync now";
  }
}
