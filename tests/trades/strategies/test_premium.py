"""What opening a trade cost or brought: futures move no cash."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps

from greeks.domain import Contract, InstrumentKind
from tests.trades.files import account_at
from tests.trades.strategies.test_store import fill, option, record, stock
from trades.models import Trade

pytestmark = pytest.mark.django_db

FUTURE = replace(
    option(90), kind=InstrumentKind.FUTURE, symbol="XYZF6", multiplier=Decimal(50),
    strike=None, right=None,
)  # fmt: skip
ON_FUTURE = replace(
    option(90), kind=InstrumentKind.FUTURE_OPTION, symbol="XYZF6 P90", multiplier=Decimal(50)
)


@pytest.mark.parametrize(
    ("contracts", "premium"),
    [
        ([FUTURE], None),
        ([ON_FUTURE], 150),
        # A future sold against its option, in one order.
        ([ON_FUTURE, FUTURE], 150),
        ([option(90)], 300),
        ([stock("XYZ")], 3),
    ],
    ids=["future", "option on a future", "both", "option", "share"],
)
def test_premium_is_cash_and_a_future_costs_none(contracts: list[Contract], premium: Any) -> None:
    account_at("IBKR", "U1")
    record(
        *(
            fill(1, -1, order_id="o1", price=Decimal(3), contract=each,
                 broker_execution_id=f"000{number}.01.01")
            for number, each in enumerate(contracts, start=1)
        )
    )  # fmt: skip
    trade = Trade.objects.get()
    assert trade.premium == premium

    # What was stored with the future's 3 × 50 in it is mended once.
    stored = sum(3 * each.multiplier for each in contracts)
    Trade.objects.update(premium=stored)
    import_module("trades.migrations.0013_futures_have_no_premium").mend(apps, None)
    trade.refresh_from_db()
    assert trade.premium == premium
