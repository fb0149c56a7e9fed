"""Which calls read what is held: one for each underlying, and pages as they are needed."""

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
from greeks.domain import Right
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
        number = int(query(request).get("cursor", "0"))
        following = f"{host}/v3/snapshot/options/AAPL?cursor={number + 1}&apiKey=theirs"
        assert "apiKey" not in query(request)
        return httpx.Response(
            200, json=page(row(legs[number]), next_url=following if number < 2 else None)
        )

    source = provider(handler)
    fetched = source.fetch_snapshots(legs)

    assert [snapshot.contract for snapshot in fetched.items] == legs
    assert len(hosts) == source.calls == 3
    assert len(set(hosts)) == 1
    assert hosts[0].startswith("polygon")


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
    body = page(next_url="https://api.massive.com/v3/snapshot/options/AAPL?cursor=1")
    source = answering(body)
    fetched = source.fetch_snapshots([CALL])
    assert fetched.items == ()
    assert "pages" in fetched.left_out["AAPL"]
    assert source.calls == 100


def test_wide_box_is_asked_for_expiry_by_expiry(sandbox: Sandbox) -> None:
    market = sandbox.market
    expiries = market.expiries("SPY")
    legs = [
        contract
        for expiry in (expiries[0], expiries[-1])
        for contract in market.chain("SPY", expiry)
        if contract.strike in (Decimal(600), Decimal(700))
    ]
    assert len(legs) == 8
    whole = sum(
        600 <= float(contract.strike or 0) <= 700
        for expiry in expiries
        for contract in market.chain("SPY", expiry)
    )

    source = of_sandbox(sandbox)
    fetched = source.fetch_snapshots(legs)

    assert {s.contract.symbol for s in fetched.items} == {leg.symbol for leg in legs}
    assert source.calls <= 4 < whole / 250


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
