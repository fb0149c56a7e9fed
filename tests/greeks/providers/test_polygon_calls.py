"""The calls that read the holdings: one per underlying, and further pages as needed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from config.core.errors import (
    MalformedResponse,
)
from config.core.sandbox.server import Sandbox
from greeks.domain import Contract, Right
from tests.greeks.providers.polygon_support import (
    EXPIRY,
    Asked,
    answering,
    of_sandbox,
    option,
    page,
    provider,
    query,
    row,
)

CALL = option()


def test_many_legs_of_an_underlying_are_one_call_for_their_box() -> None:
    later = EXPIRY + timedelta(days=35)
    legs = [option(150), option(170), option(130, right=Right.PUT, expiry=later)]
    between = option(160)
    asked = Asked([*legs, between])

    fetched = provider(asked).fetch_snapshots(legs)

    [request] = asked
    assert request.url.path == "/v3/snapshot/options/AAPL"
    assert query(request) == {
        "expiration_date.gte": EXPIRY.isoformat(),
        "expiration_date.lte": later.isoformat(),
        "strike_price.gte": "130",
        "strike_price.lte": "170",
        "sort": "expiration_date",
        "order": "asc",
        "limit": "250",
    }
    assert request.headers["authorization"] == "Bearer a-secret-key"
    # What lies between the legs is not asked about.
    assert [snapshot.contract for snapshot in fetched.items] == legs
    assert (fetched.rejected, fetched.left_out) == ((), {})


def test_legs_of_one_right_are_asked_for_without_the_other() -> None:
    asked = Asked([CALL])
    provider(asked).fetch_snapshots([CALL])
    assert query(asked[0])["contract_type"] == "call"


def test_adjusted_and_weekly_roots_share_the_underlyings_call() -> None:
    legs = [
        option(6000, underlying="SPX", root="SPX"),
        option(6000, underlying="SPX", root="SPXW"),
    ]

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v3/snapshot/options/I:SPX"
        return httpx.Response(200, json=page(*map(row, legs)))

    assert [s.contract for s in provider(handler).fetch_snapshots(legs).items] == legs


def test_what_the_vendor_does_not_cover_costs_no_call() -> None:
    asked = Asked([])
    fetched = provider(asked).fetch_snapshots([option(26000, underlying="NIFTY", currency="INR")])
    assert (asked, fetched.items) == ([], ())


@pytest.mark.parametrize("host", ["https://api.massive.com", "https://attacker.test", "//other"])
def test_next_page_is_asked_of_our_own_host_whatever_it_names(host: str) -> None:
    legs = [option(strike) for strike in (140, 150, 160)]
    hosts: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        if request.url.path == "/v3/snapshot":
            # This vendor has no lists: the pages have to be read one after the other.
            return httpx.Response(404, json={"status": "NOT_FOUND"})
        number = int(query(request).get("cursor", "0"))
        following = f"{host}/v3/snapshot/options/AAPL?cursor={number + 1}&apiKey=theirs"
        assert "apiKey" not in query(request)
        return httpx.Response(
            200, json=page(row(legs[number]), next_url=following if number < 2 else None)
        )

    source = provider(handler)
    source.fetch_snapshots(legs)
    hosts.clear()
    fetched = source.fetch_snapshots(legs)

    # The refusal is remembered: no call but the pages.
    assert [snapshot.contract for snapshot in fetched.items] == legs
    assert len(hosts) == 3
    assert len(set(hosts)) == 1
    assert hosts[0].startswith("polygon")
    assert fetched.left_out == {}


@pytest.mark.parametrize(
    "address",
    [
        "https://api.massive.com/v2/last/trade/AAPL?cursor=1",
        "https://api.massive.com/v3/snapshot/options/../../../else?cursor=1",
        "//evil.test/else",
        "https://[broken",
        7,
        ["a"],
    ],
)
def test_next_page_that_leads_elsewhere_is_refused_and_the_rest_left_out(address: Any) -> None:
    legs = [option(140), option(150)]
    body = page(row(legs[0])) | {"next_url": address}

    with pytest.raises(MalformedResponse, match="next_url"):
        answering(body).fetch_snapshots(legs)


def test_pages_end_when_everything_held_has_come() -> None:
    body = page(row(CALL), next_url="https://api.massive.com/v3/snapshot/options/AAPL?cursor=1")
    source = answering(body)
    assert len(source.fetch_snapshots([CALL]).items) == 1
    assert source.calls == 1


def test_provider_that_never_ends_is_stopped() -> None:
    endless = page(next_url="https://api.massive.com/v3/snapshot/options/AAPL?cursor=1")

    def handler(request: httpx.Request) -> httpx.Response:
        found = request.url.path != "/v3/snapshot"
        return httpx.Response(200 if found else 404, json=endless if found else {})

    source = provider(handler)
    fetched = source.fetch_snapshots([CALL])
    assert fetched.items == ()
    assert "pages" in fetched.left_out["AAPL"]
    assert source.calls == 1 + 1 + 100


def wide_legs(sandbox: Sandbox, *symbols: str) -> list[Contract]:
    """Hold the first and the last expiry of each: many pages lie between them."""
    market = sandbox.market
    legs = []
    for symbol in symbols:
        spot = market.quote(market.underlying(symbol)).mark or 0
        for expiry in (market.expiries(symbol)[0], market.expiries(symbol)[-1]):
            near = [c for c in market.chain(symbol, expiry) if abs(c.strike - Decimal(spot)) < 40]
            legs += [near[0], near[-1]]
    return legs


def test_wide_boxes_are_one_list_by_name_after_their_first_pages(sandbox: Sandbox) -> None:
    legs = wide_legs(sandbox, "SPY", "QQQ", "AAPL")
    source = of_sandbox(sandbox)

    first = source.fetch_snapshots(legs)
    calls = source.calls
    sandbox.faults.forget_requests()
    second = of_sandbox(sandbox).fetch_snapshots(legs)

    for fetched in (first, second):
        assert {s.contract.symbol for s in fetched.items} == {leg.symbol for leg in legs}
        assert (fetched.rejected, fetched.left_out) == ((), {})
    assert calls == 3 + 1
    # From then on, in every process, the whole of them is one call.
    [asked] = sandbox.faults.requests(server="polygon")
    assert asked.path == "/v3/snapshot"


def test_list_says_the_same_as_the_chain(sandbox: Sandbox) -> None:
    legs = wide_legs(sandbox, "SPY", "VIX")
    source = of_sandbox(sandbox)
    # One leg alone is a page of its chain; all together they are wide and come by name.
    alone = [source.fetch_snapshots([leg]).items[0] for leg in legs]
    assert {request.path for request in sandbox.faults.requests(server="polygon")} == {
        "/v3/snapshot/options/SPY",
        "/v3/snapshot/options/I:VIX",
    }
    source.fetch_snapshots(legs)

    together = {s.contract.symbol: s for s in source.fetch_snapshots(legs).items}

    for chained in alone:
        listed = together[chained.contract.symbol]
        assert chained.quote is not None
        assert listed.quote is not None
        assert listed.quote.previous_close == chained.quote.previous_close is not None
        assert listed.quote.open_interest == chained.quote.open_interest
        assert listed.quote.opening_price == chained.quote.opening_price
        assert (listed.greeks is None) == (chained.greeks is None)


def test_option_that_a_list_does_not_know_is_absent(sandbox: Sandbox) -> None:
    legs = wide_legs(sandbox, "SPY")
    of_sandbox(sandbox).fetch_snapshots(legs)
    gone = option(777.5, underlying="SPY")
    fetched = of_sandbox(sandbox).fetch_snapshots([*legs, gone])
    assert {s.contract.symbol for s in fetched.items} == {leg.symbol for leg in legs}
    assert (fetched.rejected, fetched.left_out) == ((), {})


def test_more_names_than_a_list_takes_are_several(sandbox: Sandbox) -> None:
    market = sandbox.market
    legs = [c for expiry in market.expiries("SPY")[:4] for c in market.chain("SPY", expiry)]
    source = of_sandbox(sandbox)
    fetched = source.fetch_snapshots(legs)
    assert len(fetched.items) == len(legs)
    assert source.calls == 1 + -(-(len(legs) - 250) // 200)


def test_numbers_are_those_of_the_market(sandbox: Sandbox) -> None:
    market = sandbox.market
    expiry = market.expiries("NVDA")[3]
    legs = [*market.chain("NVDA", expiry), *market.chain("VIX", market.expiries("VIX")[1])]

    fetched = of_sandbox(sandbox).fetch_snapshots(legs)

    quotes = {quote.contract.symbol: quote for quote in market.quotes(legs)}
    assert (len(fetched.items), fetched.rejected) == (len(legs), ())
    with_greeks = [s for s in fetched.items if s.greeks is not None]
    assert 0 < len(with_greeks) < len(legs)
    for snapshot in with_greeks:
        true = quotes[snapshot.contract.symbol]
        assert snapshot.greeks is not None
        assert snapshot.greeks.delta == pytest.approx(true.delta, abs=0.02)
        assert snapshot.greeks.vega == pytest.approx(true.vega, abs=0.02)
        assert snapshot.greeks.underlying_price == pytest.approx(true.underlying_price, rel=0.01)
