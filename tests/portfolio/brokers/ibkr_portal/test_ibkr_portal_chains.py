"""IBKR's option chains: months, strikes, contracts and snapshots become columns."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import httpx
import numpy as np
import pytest
import stamina
import time_machine

from config.core.errors import (
    CircuitOpen,
    MalformedResponse,
    PermanentError,
    RetryableError,
)
from greeks.gex.chains.parts import part_of_chain
from portfolio.brokers.ibkr_portal.adapter import open_portal
from portfolio.brokers.ibkr_portal.chains import STRIKES, PortalChains, open_portal_chains
from portfolio.brokers.ibkr_portal.gateway import call_budgets, with_share_of
from tests.portfolio.brokers.ibkr_portal.ibkr_portal_support import gateway_on, handler_of

AT = datetime(2026, 4, 6, 15, 0, tzinfo=UTC)
EARLY, LATE = date(2026, 4, 8), date(2026, 4, 22)
EXPIRIES = {EARLY: "260408", LATE: "260422"}
SEARCH = [
    "noise",
    {"symbol": "SPX"},
    {"conid": "9", "symbol": "SPX", "sections": [{"secType": "STK"}]},
    {
        "conid": "1",
        "symbol": "SPX",
        "sections": [{"secType": "IND"}, {"secType": "OPT", "months": "APR26;MAY26"}],
    },
]


class Desk:
    """What the gateway says of SPX at 6,000 and of its weeklies."""

    def __init__(self, strikes: list[float], **answers: Any) -> None:
        self.calls: Counter[str] = Counter()
        self.options: dict[str, dict[str, Any]] = {}
        self.strikes = strikes
        script = {
            "/iserver/secdef/search": SEARCH,
            "/iserver/secdef/strikes": self._strikes,
            "/iserver/secdef/info": self._info,
            "/trsrv/secdef": self._definitions,
            "/iserver/marketdata/snapshot": self._snapshots,
            "/iserver/marketdata/unsubscribeall": {"unsubscribed": True},
        } | answers
        answer = handler_of(script)

        def count(request: httpx.Request) -> httpx.Response:
            self.calls[request.extensions["path"]] += 1
            return answer(request)

        self.chains = PortalChains(gateway_on(count), snapshot_seconds=0.0)

    def _strikes(self, request: httpx.Request) -> Any:
        listed = self.strikes if request.url.params["month"] == "APR26" else []
        return {"call": listed, "put": [*listed, "?"]}

    def _info(self, request: httpx.Request) -> Any:
        strike, right = request.url.params["strike"], request.url.params["right"]
        rows = []
        for number, (day, text) in enumerate(EXPIRIES.items(), 1):
            conid = f"{number}{'1' if right == 'C' else '2'}{strike.replace('.', '0')}"
            name = f"SPXW  {text}{right}{round(float(strike) * 1000):08d}"
            self.options[conid] = {
                "conid": int(conid), "ticker": "SPX", "assetClass": "OPT", "currency": "USD",
                "expiry": f"{day:%Y%m%d}", "putOrCall": right, "strike": strike, "undConid": 1,
                "multiplier": "100", "fullName": f"SPX APR2026 {strike} {right} [{name} 100]",
            }  # fmt: skip
            rows.append({"conid": int(conid)})
        return [*rows, {"conid": None}, "noise"]

    def _definitions(self, request: httpx.Request) -> Any:
        index = {"conid": 1, "ticker": "SPX", "assetClass": "IND", "currency": "USD"}
        known = self.options | {"1": index}
        conids = request.url.params["conids"].split(",")
        return {"secdef": [known[each] for each in conids if each in known]}

    def _snapshots(self, request: httpx.Request) -> Any:
        rows: list[dict[str, Any]] = []
        for conid in request.url.params["conids"].split(","):
            row: dict[str, Any] = {"conid": int(conid), "_updated": int(AT.timestamp() * 1000)}
            if conid == "1":
                row |= {"31": "6000.5"}
            else:
                row |= {"84": "10.0", "86": "11.0", "7638": "1.2K", "7633": "15.5%", "7308": "0.5",
                        "7309": "0.01", "7310": "-1.5", "7311": "2.5"}  # fmt: skip
            rows.append(row)
        return rows


def test_month_is_looked_up_once_a_day_and_each_expiry_becomes_columns() -> None:
    desk = Desk([5995.0, 6000.0, 6002.5])
    with time_machine.travel(AT, tick=False):
        listing = desk.chains.fetch_listing("SPX")
        assert [each.expiry for each in listing.expiries] == [EARLY, LATE]
        chain = desk.chains.fetch_chain("SPX", LATE)
    assert desk.calls["/iserver/secdef/info"] == 6
    assert (chain.source, chain.spot, chain.as_of, chain.counts_contracts) == (
        "ibkr", 6000.5, AT, True,
    )  # fmt: skip
    assert chain.strike.tolist() == [5995.0, 5995.0, 6000.0, 6000.0, 6002.5, 6002.5]
    assert chain.is_call.tolist() == [True, False] * 3
    assert chain.keys[:2] == ("SPXW  260422C05995000", "SPXW  260422P05995000")
    for name, value in (("open_interest", 1200.0), ("gamma", 0.01), ("implied_volatility", 0.155)):
        assert np.all(getattr(chain, name) == value), name
    part = part_of_chain(chain)
    assert set(part.root) == {"SPXW"}
    assert np.all(part.open_interest == 120_000.0)


def test_chain_is_of_the_strikes_nearest_to_the_spot_and_frees_its_lines() -> None:
    desk = Desk([float(strike) for strike in range(5000, 7000, 5)])
    with time_machine.travel(AT, tick=False):
        chain = desk.chains.fetch_chain("SPX", EARLY)
    assert len(chain) == 2 * STRIKES == 100
    assert (chain.strike[0], chain.strike[-1]) == (5880.0, 6125.0)
    assert desk.calls["/iserver/marketdata/unsubscribeall"] == 2


@pytest.mark.parametrize(
    ("strikes", "answers", "error"),
    [
        ([6000.0], {"/iserver/secdef/search": []}, PermanentError),
        ([6000.0], {"/iserver/secdef/search": {"error": "no"}}, MalformedResponse),
        ([6000.0], {"/iserver/secdef/search": SEARCH[:3]}, PermanentError),
        ([], {}, PermanentError),
        ([6000.0], {"/iserver/secdef/info": []}, PermanentError),
        ([6000.0], {"/iserver/secdef/strikes": httpx.Response(400, json={})}, PermanentError),
    ],
)
def test_listing_without_contracts_is_an_error(
    strikes: list[float], answers: dict[str, Any], error: type[Exception]
) -> None:
    desk = Desk(strikes, **answers)
    with time_machine.travel(AT, tick=False), pytest.raises(error):
        desk.chains.fetch_listing("SPX")


def test_chain_without_a_quote_is_an_error_and_never_empty() -> None:
    desk = Desk([6000.0], **{"/iserver/marketdata/snapshot": []})
    with time_machine.travel(AT, tick=False), pytest.raises(MalformedResponse):
        desk.chains.fetch_chain("SPX", EARLY)


def test_failing_chains_open_no_breaker_of_the_book(settings: Any) -> None:
    settings.IBKR_PORTAL_URL = "http://127.0.0.1:9/v1/api"  # nobody listens there
    chains, book = open_portal_chains(), open_portal()
    with stamina.set_testing(True, attempts=5):
        with pytest.raises(RetryableError):
            chains.fetch_listing("SPX")
        with pytest.raises(CircuitOpen):
            chains.fetch_listing("SPX")
        with pytest.raises(RetryableError, match="no answer"):
            book.fetch_accounts()
    chains.close()
    book.close()


def test_chains_leave_half_of_the_calls_to_the_book(settings: Any) -> None:
    settings.IBKR_PORTAL_CALLS_PER_SECOND = 8
    settings.IBKR_PORTAL_ENDPOINT_SECONDS = 5.0
    budgets = with_share_of("chains", call_budgets())
    own, everyones = budgets[""]
    assert (own.limit, everyones.limit) == (4, 8)
    assert own.name != everyones.name
    assert [len(budgets[path]) for path in ("/tickle", "/iserver/account/orders")] == [1, 1]
