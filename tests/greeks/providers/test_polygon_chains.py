"""Whole chains from Polygon.io: every page of an expiry, and the nearest expiries."""

from __future__ import annotations

from datetime import date
from typing import Any

import httpx
import numpy as np
import pytest

from config.core.errors import MalformedResponse, PermanentError, RateLimitedError
from config.core.sandbox.server import Sandbox
from greeks.domain import Right
from greeks.providers.chain_registry import configured_chain_providers, open_chain_provider
from greeks.providers.polygon.chain_provider import PolygonChains
from greeks.sandbox.polygon.rules import API_KEY
from tests.greeks.providers.polygon_support import (
    EXPIRY,
    UPDATED,
    client,
    option,
    page,
    query,
    recorded,
    row,
)


def answering(*bodies: Any) -> tuple[PolygonChains, list[httpx.Request]]:
    """Return a provider that gets one body after the other, and what it asked."""
    waiting, asked = list(bodies), []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=waiting.pop(0) if len(waiting) > 1 else waiting[0])

    return PolygonChains(client(handler)), asked


CALL, PUT = option(150), option(150, right=Right.PUT)


def test_chain_is_every_page_of_its_expiry_in_our_columns() -> None:
    following = "https://api.massive.com/v3/snapshot/options/AAPL?cursor=1"
    higher = option(155)
    source, asked = answering(page(row(PUT), row(higher), next_url=following), page(row(CALL)))
    chain = source.fetch_chain("AAPL", EXPIRY)
    assert query(asked[0])["expiration_date"] == EXPIRY.isoformat()
    assert query(asked[0])["limit"] == "250"
    assert chain.keys == tuple(f"O:{each.symbol.replace(' ', '')}" for each in (CALL, PUT, higher))
    assert (chain.source, chain.counts_contracts, chain.spot) == ("polygon", True, 155.0)
    assert chain.as_of == UPDATED
    assert (chain.bid[0], chain.ask[0], chain.last[0]) == (11.9, 12.1, 12.0)
    assert (chain.volume[0], chain.open_interest[0], chain.previous_close[0]) == (42, 8133, 10.5)
    assert chain.greeks()[:, 0].tolist() == [0.55, 0.012, -0.04, 0.31]
    assert chain.implied_volatility[0] == 0.27


def test_contract_without_greeks_is_missing_them() -> None:
    source, _ = answering(page(row(CALL, greeks={}, implied_volatility=None), row(PUT)))
    chain = source.fetch_chain("AAPL", EXPIRY)
    assert np.isnan(chain.greeks()[:, 0]).all()
    assert not np.isnan(chain.greeks()[:, 1]).any()


@pytest.mark.parametrize(
    "bad",
    [
        None,
        {"details": {"ticker": "O:WRONG"}},
        row(option(150, expiry=date(2027, 2, 19))),
        row(CALL),
    ],
)
def test_row_that_is_none_or_of_another_chain_is_rejected(bad: Any) -> None:
    source, _ = answering(page(row(CALL), row(PUT), bad))
    chain = source.fetch_chain("AAPL", EXPIRY)
    assert (len(chain), len(chain.rejected)) == (2, 1)


@pytest.mark.parametrize("change", [{"open_interest": -5}, {"greeks": {"delta": 7}}])
def test_impossible_number_is_missing_and_its_contract_stays(change: dict[str, Any]) -> None:
    source, _ = answering(page(row(CALL), row(PUT), row(option(160), **change)))
    chain = source.fetch_chain("AAPL", EXPIRY)
    assert (len(chain), chain.rejected) == (3, ())
    last = chain.open_interest[2] if "open_interest" in change else chain.delta[2]
    assert np.isnan(last)


def test_chain_of_nothing_raises() -> None:
    source, _ = answering(page())
    with pytest.raises(MalformedResponse, match="no usable contract"):
        source.fetch_chain("AAPL", EXPIRY)


def test_chain_is_all_of_its_pages_or_an_error() -> None:
    following = "https://api.massive.com/v3/snapshot/options/AAPL?cursor=1"
    bodies = [httpx.Response(200, json=page(row(CALL), next_url=following))]

    def handler(_: httpx.Request) -> httpx.Response:
        return bodies.pop(0) if bodies else httpx.Response(429, headers={"Retry-After": "60"})

    with pytest.raises(RateLimitedError):
        PolygonChains(client(handler)).fetch_chain("AAPL", EXPIRY)


def test_listing_goes_on_after_the_last_expiry_of_a_full_page() -> None:
    following = "https://api.massive.com/v3/snapshot/options/I:SPX?cursor=1"
    first, second, third = (date(2027, 1, day) for day in (13, 14, 15))
    source, asked = answering(
        page(
            row(option(150, expiry=first)), row(option(150, expiry=second)), 7, next_url=following
        ),
        page(row(option(150, expiry=third))),
    )
    listing = source.fetch_listing("SPX")
    assert [(each.expiry, each.lot_size) for each in listing.expiries] == [
        (first, 100),
        (second, 100),
        (third, 100),
    ]
    assert len(listing.rejected) == 1
    assert [request.url.path for request in asked] == ["/v3/snapshot/options/I:SPX"] * 2
    assert query(asked[1])["expiration_date.gt"] == second.isoformat()


def test_listing_is_three_calls_at_most() -> None:
    asked: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        expiry = date(2027, 1, 10 + len(asked))
        following = "https://api.massive.com/v3/snapshot/options/SPY?cursor=1"
        return httpx.Response(200, json=page(row(option(1, expiry=expiry)), next_url=following))

    assert len(PolygonChains(client(handler)).fetch_listing("SPY").expiries) == 3
    assert len(asked) == 3


def test_underlying_without_options_is_refused() -> None:
    source, _ = answering(page())
    with pytest.raises(PermanentError, match="lists no option"):
        source.fetch_listing("NONE")


def test_recorded_chain_is_read() -> None:
    body = recorded("v3__snapshot__options__AAPL")
    body.pop("next_url", None)
    source, _ = answering(body)
    [listed] = source.fetch_listing("AAPL").expiries
    chain = source.fetch_chain("AAPL", listed.expiry)
    assert len(chain) == len(body["results"])
    sent = body["results"][0]
    assert (chain.open_interest[0], chain.delta[0]) == (
        sent["open_interest"],
        sent["greeks"]["delta"],
    )


def test_simulated_chain_is_the_markets(sandbox: Sandbox, settings: Any) -> None:
    assert "polygon" not in configured_chain_providers()
    settings.POLYGON_API_KEY, settings.POLYGON_URL = API_KEY, sandbox.url("polygon")
    settings.POLYGON_CALLS_PER_MINUTE = 0
    source = open_chain_provider("polygon")
    listing = source.fetch_listing("AAPL")
    expiries = sandbox.market.expiries("AAPL")
    assert [each.expiry for each in listing.expiries] == list(expiries[: len(listing.expiries)])
    assert len(listing.expiries) >= 3
    chain = source.fetch_chain("AAPL", expiries[1])
    contracts = sandbox.market.chain("AAPL", expiries[1])
    assert chain.strike.tolist() == [float(each.strike or 0) for each in contracts]
    assert chain.rejected == ()
    source.close()
