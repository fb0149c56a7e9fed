"""Poll the gateway for snapshots until they are complete or waiting is pointless."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from greeks.domain import Contract
from greeks.providers.decoding import BadRow, rows_of
from portfolio.brokers.ibkr_portal.account import PROVIDER
from portfolio.brokers.ibkr_portal.contracts import parse_conid
from portfolio.brokers.ibkr_portal.gateway import PortalGateway
from portfolio.brokers.ibkr_portal.session import BROKERAGE
from portfolio.brokers.ibkr_portal.snapshots import AWAITED, FIELDS, lacks

# How long not to wait again for data a full poll did not bring: otherwise an option IBKR has no
# Greeks for would delay every sync.
IN_VAIN_SECONDS = 300
# The first answer is a preflight: after it alone, nothing was really waited for.
_FEWEST_ANSWERS = 2


def poll_snapshots(
    gateway: PortalGateway, contracts: Mapping[str, Contract], *, seconds: float
) -> list[Any]:
    """Return the contracts' rows by conid, asking until each is complete or time is up.

    Later answers fill earlier ones. Data that never came is remembered for all processes
    (``IN_VAIN_SECONDS``): used if it comes, but not waited for.
    """
    params = {"conids": ",".join(contracts), "fields": ",".join(FIELDS)}
    memory = gateway.memory
    in_vain = memory.known(f"{field}/{conid}" for conid in contracts for field in AWAITED)
    deadline = time.monotonic() + seconds
    pause = 0.1
    answers = 0
    merged: dict[str, dict[str, Any]] = {}
    while True:
        answer = gateway.get("/iserver/marketdata/snapshot", needs=(BROKERAGE,), params=params)
        answers += 1
        strange: list[Any] = []
        for row in rows_of(answer, provider=PROVIDER, what="snapshot"):
            try:
                if not isinstance(row, Mapping):
                    raise BadRow("not an object")
                merged.setdefault(parse_conid(row), {}).update(row)
            except BadRow:
                strange.append(row)
        lacking = {
            f"{field}/{conid}"
            for conid, contract in contracts.items()
            if (field := lacks(merged.get(conid, {}), contract)) is not None
        }
        if lacking <= in_vain:
            break
        if time.monotonic() + pause > deadline:
            if answers >= _FEWEST_ANSWERS:
                memory.note_all(lacking - in_vain, seconds=IN_VAIN_SECONDS)
            break
        time.sleep(pause)
        pause = min(2 * pause, 1.0)
    return [*merged.values(), *strange]
