// The strip and the head: figures of a body of /api/gex, as templates/gex/ renders them.

import { fieldsOf, setAge, setSource, setText } from "../base/cells.js";
import { compact, day, number, percent, points, strike } from "../base/format.js";

// Why there is no zero gamma, as REASONS in greeks/gex/page.py.
const REASONS = { thin: "too few strikes", one_sided: "one sign throughout", edge: "only beyond ±20 %" };

export class Facts {
  #fields;

  constructor(root) {
    this.#fields = fieldsOf(root);
  }

  show(body) {
    const { zero_gamma: flip, spot, detail, definition } = body;
    const texts = {
      currency: body.currency,
      gamma_exposure: compact(body.gamma_exposure),
      gamma_without_zero_dte: compact(detail?.without_zero_dte.gamma_exposure ?? null),
      zero_gamma: number(flip.level, 2),
      zero_gamma_note: noteOf(flip, spot),
      spot: number(spot, 2),
      spot_source: body.spot_source === "parity" ? "by put-call parity, " : "",
      crossings: String(flip.crossings.length),
      call_wall: strike(body.call_wall),
      put_wall: strike(body.put_wall),
      largest_call_strike: strike(body.largest_call_strike),
      largest_put_strike: strike(body.largest_put_strike),
      zero_dte_share: percent(body.zero_dte_share, 1),
      absolute_exposure: compact(body.absolute_exposure),
      vanna_exposure: compact(body.vanna_exposure),
      charm_exposure: compact(body.charm_exposure),
      open_interest_as_of: day(body.open_interest_as_of),
      definition_version: definition.version,
      definition_words: definition.words,
      dealers_words: definition.dealers_words,
    };
    for (const [name, text] of Object.entries(texts)) setText(this.#fields.get(name), text);
    setSource(this.#fields.get("source"), body.source, false);
    setAge(this.#fields.get("timestamp"), body.timestamp);
  }
}

function noteOf({ level, reason }, spot) {
  if (reason) return REASONS[reason];
  return level && spot ? `${points((level / spot - 1) * 100)} from spot` : "";
}
