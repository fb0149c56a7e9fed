"""The simulated accounts' journal: each hard case, from every wire, and lots that are positions."""

from __future__ import annotations

import io
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db.models import Sum

from greeks.domain import InstrumentKind
from greeks.providers.decoding import decode_rows
from greeks.sandbox.lines import magnifier
from greeks.sandbox.market import Market
from portfolio.brokers.ibkr_portal.orders import decode_execution
from portfolio.brokers.tastytrade.future_symbols import FutureTerms
from portfolio.brokers.tastytrade.transactions import decode_transaction
from portfolio.domain import Broker
from portfolio.models import Account
from portfolio.sandbox.books import SimulatedAccount, SimulatedBooks
from portfolio.sandbox.ibkr_flex.statement import last_statement, statement
from portfolio.sandbox.ibkr_portal.payloads import trade_row
from portfolio.sandbox.tastytrade.transactions import history
from tests.factories import AccountFactory
from trades.executions.reconcile import journal_rows
from trades.executions.rows import JournalRows, Recorded
from trades.executions.store import record_rows
from trades.importing.flex_xml import read_flex
from trades.models import CashMovementRow, TradeExecution, TradeLot

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
#: Times of which the last 60 days must hold each case, in both halves of a year.
TIMES = [datetime(2026, 11, 19, 19, 30, tzinfo=UTC), datetime(2027, 3, 2, 15, 0, tzinfo=UTC)]
KINDS = {
    "trade",
    "expiration",
    "assignment",
    "exercise",
    "delivery",
    "cash_settlement",
    "split",
}


def accounts(at: datetime) -> tuple[SimulatedAccount, SimulatedAccount]:
    ibkr, tastytrade = SimulatedBooks(Market.simulated(seed=7, start=at)).accounts()
    for each in (ibkr, tastytrade):
        number = each.account_number
        AccountFactory.create(account_id=number, account_number=number, broker=each.broker.value)
    return ibkr, tastytrade


def of_flex(account: SimulatedAccount, at: datetime) -> JournalRows:
    end = last_statement(at)
    content = statement([account], end - timedelta(days=364), end, at=at)
    return read_flex(io.BytesIO(content))


def of_portal(account: SimulatedAccount, at: datetime) -> JournalRows:
    # Prices in pence and cents are the adapter's work.
    fills = [
        fill for fill in account.fills(at - timedelta(days=7)) if magnifier(fill.contract) == 1
    ]
    definitions = {fill.contract.aliases["ibkr"]: fill.contract for fill in fills}
    decode = partial(
        decode_execution, definitions=definitions, account_number=account.account_number
    )
    rows = [trade_row(account, fill, at) for fill in fills]
    return journal_rows(decode_rows(rows, decode, kind="trade", source="ibkr_portal", as_of=at))


def of_tastytrade(account: SimulatedAccount, at: datetime) -> JournalRows:
    futures = {
        fill.contract.symbol: FutureTerms(
            multiplier=fill.contract.multiplier, expiry=fill.contract.expiry
        )
        for fill in account.executions(datetime(2000, 1, 1, tzinfo=UTC))
        if fill.contract.kind is InstrumentKind.FUTURE
    }
    decode = partial(
        decode_transaction,
        account_number=account.account_number,
        source="tastytrade",
        futures=futures,
    )
    rows = history(account, datetime(2000, 1, 1, tzinfo=UTC), at)
    return journal_rows(decode_rows(rows, decode, kind="execution", source="tastytrade", as_of=at))


def take(rows: JournalRows, broker: Broker) -> Recorded:
    recorded = record_rows(rows, broker=broker, source="test")
    assert recorded.quarantined == 0, recorded.reasons
    return recorded


def lots(account: SimulatedAccount) -> dict[str, Decimal]:
    """Return open lots of dollar shares and options: sources name other kinds differently."""
    found = TradeLot.objects.filter(
        account=account.account_number,
        closed_at=None,
        instrument__kind__in=("stock", "option"),
        instrument__currency="USD",
    )
    sums = found.order_by().values_list("instrument__symbol").annotate(Sum("quantity"))
    return {symbol: quantity for symbol, quantity in sums if quantity}


def positions(account: SimulatedAccount) -> dict[str, Decimal]:
    return {
        p.contract.symbol: Decimal(p.quantity)
        for p in account.positions()
        if p.contract.kind in ("stock", "option") and p.contract.currency == "USD"
    }


@pytest.mark.parametrize("at", TIMES)
def test_lots_are_the_positions_whichever_wire_tells_first(at: datetime) -> None:
    ibkr, tastytrade = accounts(at)
    for rows in (of_portal(ibkr, at), of_flex(ibkr, at), of_portal(ibkr, at), of_flex(ibkr, at)):
        take(rows, Broker.IBKR)
    take(of_tastytrade(tastytrade, at), Broker.TASTY)
    again = take(of_tastytrade(tastytrade, at), Broker.TASTY)
    assert again.inserted == 0
    for account in (ibkr, tastytrade):
        assert lots(account) == positions(account)
        unknown = TradeLot.objects.filter(account=account.account_number, opened_by=None)
        assert not [str(lot.instrument) for lot in unknown]
        recent = TradeExecution.objects.filter(
            account=account.account_number, execution_time__gte=at - timedelta(days=60)
        )
        assert set(recent.values_list("kind", flat=True)) == KINDS
        assert recent.exclude(cancelled_by="").exists()
        assert CashMovementRow.objects.get(account=account.account_number).amount > 0
    assert TradeExecution.objects.filter(superseded=True).exists()


def test_statement_ends_with_the_last_morning_and_brings_what_the_portal_lacks() -> None:
    evening = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    ibkr, _ = accounts(evening)
    settled = [row for row in ibkr.executions(evening - timedelta(hours=5)) if row.kind != "trade"]
    assert settled
    at_night = Counter(row.kind for row in of_flex(ibkr, evening).executions)
    saturday = datetime(2026, 11, 21, 11, 30, tzinfo=UTC)
    in_the_morning = Counter(row.kind for row in of_flex(ibkr, saturday).executions)
    assert sum((in_the_morning - at_night).values()) >= len(settled)
    assert {row.kind for row in of_portal(ibkr, evening).executions} == {"trade"}
    assert last_statement(saturday) == date(2026, 11, 20)


def test_history_of_tastytrade_brings_settlements_hours_later() -> None:
    friday = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
    _, tastytrade = accounts(friday)
    settled = {
        row.execution_id
        for row in tastytrade.executions(friday - timedelta(hours=2))
        if row.kind != "trade"
    }
    assert settled
    at_once = {str(row["id"]) for row in history(tastytrade, friday - timedelta(days=1), friday)}
    later = history(tastytrade, friday - timedelta(days=1), friday + timedelta(hours=3))
    assert not settled & at_once
    assert settled <= {str(row["id"]) for row in later}
    assert Account.objects.count() == 2
