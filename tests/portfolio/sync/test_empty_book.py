from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from portfolio.domain import AccountSummary, Broker
from portfolio.sync.empty_book import KnownBook, supports_empty_book


def summary(net_liquidation: str | None, cash: str | None, margin: str | None) -> AccountSummary:
    def amount(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    return AccountSummary(
        broker=Broker.IBKR,
        account_number="U1",
        currency="USD",
        source="ibkr",
        as_of=datetime(2026, 11, 20, tzinfo=UTC),
        net_liquidation=amount(net_liquidation),
        cash=amount(cash),
        maintenance_margin=amount(margin),
    )


def known(value: str | None, margin: str | None) -> KnownBook:
    return KnownBook(
        market_value=None if value is None else Decimal(value),
        maintenance_margin=None if margin is None else Decimal(margin),
    )


@pytest.mark.parametrize(
    ("money", "before", "expected"),
    [
        # cash tells: the book was worth something
        (summary("100000", "100000", None), known("60000", None), True),
        (summary("100000", "99950", None), known("60000", None), True),
        (summary("100000", "40000", None), known("60000", None), False),
        # a spread worth nothing: cash cannot tell, margin can
        (summary("100000", "100000", "5000"), known("10", "5000"), False),
        (summary("100000", "100000", "0"), known("10", "5000"), True),
        # long options only: margin was zero before, so it proves nothing
        (summary("100000", "95000", "0"), known("5000", "0"), False),
        # interest in the net liquidation, but the margin is gone
        (summary("100000", "99000", "0"), known("60000", "20000"), True),
        # nothing can tell: cash is all there is
        (summary("100000", "100000", None), known("10", None), True),
        (summary(None, None, "0"), known(None, None), True),
        (summary(None, None, None), known("60000", "20000"), False),
    ],
)
def test_money_of_an_account_without_positions_is_recognised(
    money: AccountSummary, before: KnownBook, expected: bool
) -> None:
    assert supports_empty_book(money, before) is expected
