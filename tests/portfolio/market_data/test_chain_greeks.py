"""Indian options held at IBKR have Greeks from the Upstox chain of the same underlying."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from greeks.domain import Snapshot
from greeks.models import PolledInstrument
from greeks.providers.chain_registry import underlyings_of
from portfolio.book.reading import read_book
from portfolio.brokers.ibkr_portal.contracts import decode_contract
from portfolio.models import Position, Quote, SyncRun
from portfolio.sync import fetch as sync_fetch
from tests.factories import AccountFactory
from tests.greeks.providers.upstox_support import chain_body, provider, strike
from tests.identity_cases import identity_cases
from tests.portfolio.books import FakeBroker, position, quote

pytestmark = pytest.mark.django_db
RunSync = Callable[[str], SyncRun]


def row(ticker: str, **terms: Any) -> dict[str, Any]:
    return {
        "conid": 5, "contractDesc": ticker, "ticker": ticker, "assetClass": "OPT",
        "currency": "INR", "expiry": "20361230", "putOrCall": "C", "strike": "26000",
        "multiplier": 1, **terms,
    }  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the chains that were asked for: each has a strike at 26,000 and 55,000."""
    keys: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        key, expiry = request.url.params["instrument_key"], request.url.params["expiry_date"]
        keys.append(key)
        terms: dict[str, Any] = {"underlying_key": key, "expiry": expiry}
        return httpx.Response(200, json=chain_body(strike(**terms), strike(55000, **terms)))

    monkeypatch.setattr(sync_fetch, "configured_providers", lambda: ("upstox",))
    monkeypatch.setattr(
        sync_fetch,
        "open_provider",
        lambda name: provider(handler, underlyings=lambda: underlyings_of(name)),
    )
    return keys


def held(
    sent: dict[str, Any], broker: FakeBroker, run_sync: RunSync, quantity: int = 1
) -> Position:
    contract = decode_contract(sent)
    broker.positions = [position(contract, quantity)]
    broker.summary = {"currency": "INR"}
    broker.snapshot = lambda each: Snapshot(
        contract=each,
        quote=quote(each, mark=Decimal(121 if each.is_option else 26_000)),
        greeks=None,
    )
    run_sync(AccountFactory.create(base_currency="INR").pk)
    return Position.objects.get()


@pytest.mark.parametrize(
    ("ticker", "key"),
    [
        ("BANKNIFTY", "NSE_INDEX|Nifty Bank"),
        ("NIFTY", "NSE_INDEX|Nifty 50"),
        ("NIFTY50", "NSE_INDEX|Nifty 50"),
        ("RELIANCE", "NSE_EQ|INE002A01018"),
    ],
)
def test_option_takes_its_greeks_from_the_chain_of_its_underlying(
    ticker: str, key: str, broker: FakeBroker, run_sync: RunSync, asked: list[str]
) -> None:
    PolledInstrument.objects.create(
        slug="reliance",
        name="Reliance",
        instrument_key="NSE_EQ|INE002A01018",
        underlying="RELIANCE",
        enabled=False,
    )
    found = held(row(ticker), broker, run_sync)
    assert asked == [key]
    assert (found.greeks_source, found.delta_raw, found.iv_raw) == ("upstox", 0.51, 0.125)
    assert found.underlying_price == 26_000


def test_share_whose_chain_nobody_polls_is_not_asked_for(
    broker: FakeBroker, run_sync: RunSync, asked: list[str]
) -> None:
    held(row("RELIANCE"), broker, run_sync)
    assert asked == []


@pytest.mark.parametrize(("multiplier", "quantity"), [(1, 150), (75, 2)])
def test_greeks_per_unit_count_alike_for_units_and_for_lots(
    multiplier: int, quantity: int, broker: FakeBroker, run_sync: RunSync, asked: list[str]
) -> None:
    found = held(row("NIFTY", multiplier=multiplier), broker, run_sync, quantity)
    totals = read_book([found.account]).totals
    assert totals["delta"] == pytest.approx(0.51 * 150)
    assert totals["theta"] == pytest.approx(-9.25 * 150)
    assert found.market_value == 121 * 150
    # The broker's quote has contracts of its own size.
    assert Quote.objects.get(instrument=found.instrument).source == "ibkr"


def test_recorded_option_on_a_long_root_has_greeks_from_the_chain(
    broker: FakeBroker, run_sync: RunSync, asked: list[str]
) -> None:
    case = identity_cases("ibkr_portal_contracts")[0]
    found = held({**case["row"], "expiry": "20361230"}, broker, run_sync)
    assert asked == [case["expect"]["greeks_from_chain"]]
    assert found.greeks_source == "upstox"
