"""Adjusted options: what they deliver decides strike, price and Greeks per share."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from greeks.domain import Contract, Deliverable, Greeks, InstrumentKind, Quote, Right
from greeks.instruments.store import contracts_of, resolve_instruments
from greeks.models import Instrument
from greeks.pricing.deliverables import per_share
from greeks.pricing.model import model_greeks
from greeks.underlyings import underlying_key
from tests.identity_cases import identity_cases

AT = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
ADJUSTED = Contract(
    kind=InstrumentKind.OPTION,
    symbol="UVX1  270115C00012000",
    underlying="UVX",
    root="UVX1",
    multiplier=Decimal(100),
    currency="USD",
    expiry=date(2027, 1, 15),
    strike=Decimal(12),
    right=Right.CALL,
)


def delivering(shares: str, cash: str = "0") -> Contract:
    deliverable = Deliverable(shares=Decimal(shares), cash=Decimal(cash))
    return replace(ADJUSTED, deliverable=deliverable)


def greeks_of(contract: Contract, price: str, spot: float) -> Greeks | None:
    quote = Quote(contract=contract, source="ibkr", as_of=AT, mark=Decimal(price))
    found = model_greeks(
        wanted=["x"], quotes={"x": quote}, spots={underlying_key(contract): spot}, at=AT
    )
    return found["x"].greeks if found else None


@pytest.mark.parametrize(
    ("root", "currency", "adjusted"),
    [
        ("UVX1", "USD", True),
        ("BRK/B1", "USD", True),
        ("AAPL", "USD", False),
        # FLEX roots begin with a digit; abroad a digit may be of the name.
        ("4SPXW", "USD", False),
        ("NIFTY50", "INR", False),
        ("ESTX50", "EUR", False),
    ],
)
def test_root_with_a_digit_says_adjusted(root: str, currency: str, adjusted: bool) -> None:
    contract = replace(ADJUSTED, root=root, currency=currency)
    assert contract.is_adjusted is adjusted
    assert (contract.delivered is None) is adjusted
    assert replace(contract, marked_adjusted=True).is_adjusted


@pytest.mark.parametrize(
    ("shares", "cash", "strike", "factor"),
    [("100", "0", 12.0, 1.0), ("10", "0", 120.0, 10.0), ("50", "250", 19.0, 2.0)],
)
def test_terms_per_share_follow_from_the_deliverable(
    shares: str, cash: str, strike: float, factor: float
) -> None:
    assert per_share(delivering(shares, cash)) == (strike, float(shares), factor)


def test_greeks_are_those_of_the_shares_delivered() -> None:
    ordinary = replace(
        ADJUSTED, root="UVX", strike=Decimal(120), multiplier=Decimal(10), symbol="UVX"
    )
    expected = greeks_of(ordinary, "8.5", 110.0)
    assert expected is not None
    assert greeks_of(delivering("10"), "0.85", 110.0) == expected
    # 250 in cash lower the strike of 50 shares from 24 to 19.
    with_cash = greeks_of(delivering("50", "250"), "0.9", 18.0)
    same = greeks_of(replace(ordinary, strike=Decimal(19)), "1.8", 18.0)
    assert with_cash == same


@pytest.mark.parametrize("contract", [ADJUSTED, delivering("0", "1500"), delivering("100", "2000")])
def test_option_without_a_usable_deliverable_has_no_greeks(contract: Contract) -> None:
    assert greeks_of(contract, "0.85", 110.0) is None


def test_recorded_adjusted_contract_and_its_model() -> None:
    sent = identity_cases("adjusted")["contract"]
    contract = replace(
        delivering(str(sent["deliverable_shares"])),
        underlying=sent["underlying"],
        root="SDS1",
        strike=Decimal(15),
    )
    terms = per_share(contract)
    assert terms is not None
    assert terms.strike * terms.shares == 1500
    greeks = greeks_of(contract, str(sent["mark"]), sent["spot"])
    assert greeks is not None
    assert greeks.delta is not None
    # At the money's 60 against 75, the mark of 18.25 a share implies a high volatility.
    assert 0.3 < greeks.delta < 0.8
    assert greeks.implied_volatility is not None
    assert greeks.implied_volatility > 1


@pytest.mark.django_db
def test_told_deliverable_stays_when_another_broker_tells_none() -> None:
    for contract in (ADJUSTED, delivering("10", "1.5"), ADJUSTED):
        resolve_instruments([contract])
    row = Instrument.objects.get()
    assert (row.is_adjusted, row.deliverable_shares) == (True, 10)
    told = Deliverable(shares=Decimal(10), cash=Decimal("1.5"))
    assert contracts_of([row])[row.pk].delivered == told
