"""How a minute's contracts changed since the last minute before it, by |delta| bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise

from greeks.chains import Floats
from greeks.maths.changes import bucket_changes
from greeks.polling.samples import KEPT, MINUTE, read_contracts


def range_changes(
    slug: str, expiry: date, minutes: Sequence[datetime], opening: datetime
) -> Mapping[datetime, Floats]:
    """Return the changes of ascending minutes since the last one before with known contracts.

    Minutes without one, such as the session's first, are left out. Raises
    ``redis.exceptions.RedisError``.
    """
    near = {*minutes, *(minute - MINUTE for minute in minutes)}
    found = read_contracts(slug, expiry, [at for at in near if at >= opening])
    if any(at in found and at > opening and at - MINUTE not in found for at in minutes):
        # A gap is before one of them: look further back.
        earlier = (minutes[-1] - MINUTE * count for count in range(1, KEPT // MINUTE))
        found |= read_contracts(slug, expiry, [at for at in earlier if at >= opening])
    known = sorted(found)
    return {at: bucket_changes(found[before], found[at]) for before, at in pairwise(known)}
