"""Shadow positions: entered at the next quote, marked, settled like real ones."""

from __future__ import annotations

import unittest
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from greeks.domain import Contract, InstrumentKind, Right
from greeks.instruments.store import resolve_instruments
from greeks.models import ContractGreekHistory, Instrument
from portfolio.models import PriceBar, Quote
from tests.factories import UserFactory
from trades.models import ShadowPosition, SignalSource, TradeSignal
from trades.trade_signals import announcing
from trades.trade_signals.dashboard.sections import shadow_positions
from trades.trade_signals.receiving import enter_signal
from trades.trade_signals.shadows.following import follow_shadows, unquoted_instruments
from trades.trade_signals.shadows.paper import Paper, mid_of, worse
from trades.trade_signals.sources import source_by_hand

AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
#: 16:00 in New York.
EXPIRY = datetime(2026, 1, 16, 21, 0, tzinfo=UTC)
PUT = "XYZ   260116P00090000"
LOW = "XYZ   260116P00085000"


@pytest.fixture
def source(db: None) -> SignalSource:
    found = source_by_hand(UserFactory.create())
    found.shadow_slippage = Decimal("0.01")
    found.save()
    return found


def enter(source: SignalSource, **values: Any) -> TradeSignal:
    sent = {"symbol": "XYZ", "direction": "long"} | values
    with time_machine.travel(AT, tick=False):
        return enter_signal(user=source.owner, source=source, values=sent)


def quote(symbol: str, bid: str, ask: str, *, at: datetime, price: str | None = None) -> None:
    row = Instrument.objects.get(symbol=symbol)
    values = {
        "symbol": symbol, "bid": Decimal(bid), "ask": Decimal(ask), "source": "ibkr", "as_of": at,
        "price": Decimal(price or bid),
    }  # fmt: skip
    Quote.objects.update_or_create(instrument=row, defaults=values)


def follow(at: datetime) -> int:
    with time_machine.travel(at, tick=False):
        return follow_shadows()


def held(symbol: str) -> ShadowPosition:
    return ShadowPosition.objects.get(instrument__symbol=symbol)


def test_legs_enter_together_at_the_next_quotes_mid_made_worse(source: SignalSource) -> None:
    legs = [{"symbol": PUT, "quantity": -1}, {"symbol": LOW, "quantity": 1}]
    found = enter(source, legs=legs, quantity=2)
    quote(PUT, "1.90", "2.10", at=AT - timedelta(seconds=1))
    quote(LOW, "0.90", "1.10", at=AT + timedelta(minutes=1))
    assert follow(AT + timedelta(minutes=1)) == 0
    quote(PUT, "2.90", "3.10", at=AT + timedelta(minutes=2))
    follow(AT + timedelta(minutes=2))
    short, long = held(PUT), held(LOW)
    assert (short.entry_mid, short.entry_price, short.quantity) == (3, Decimal("2.97"), -2)
    assert (long.entry_mid, long.entry_price) == (1, Decimal("1.01"))
    assert short.opened_at == AT + timedelta(minutes=2)
    assert (short.pnl, long.pnl) == (Decimal("-6"), Decimal("-2"))
    quote(PUT, "1.90", "2.10", at=AT + timedelta(minutes=3))
    follow(AT + timedelta(minutes=3))
    assert held(PUT).pnl == Decimal("194")
    assert follow(AT + timedelta(minutes=3)) == 0
    body = {row.symbol: row for row in shadow_positions(source.owner)}
    assert body[PUT].signal_id == str(found.pk)
    assert (body[PUT].quantity, body[PUT].pnl, body[PUT].status) == (-2.0, 194.0, "open")
    assert shadow_positions(UserFactory.create()) == []


@pytest.mark.parametrize(("spot", "value"), [("100", "0"), ("90", "0"), ("87.5", "2.5")])
def test_option_settles_at_its_intrinsic_value(source: SignalSource, spot: str, value: str) -> None:
    enter(source, symbol=PUT, direction="short")
    quote(PUT, "2", "2", at=AT)
    follow(AT)
    row = held(PUT).instrument
    as_of = EXPIRY - timedelta(minutes=1)
    ContractGreekHistory.objects.create(
        instrument=row, minute=as_of, as_of=as_of, source="ibkr", underlying_price=Decimal(spot)
    )
    follow(EXPIRY + timedelta(hours=1))
    ended = held(PUT)
    assert (ended.status, ended.closed_at, ended.closed_kind) == ("closed", EXPIRY, "expiration")
    assert ended.close_price == Decimal(value)
    assert ended.pnl == (Decimal("1.98") - Decimal(value)) * 100


def test_settlement_without_a_price_is_unknown_and_never_zero(source: SignalSource) -> None:
    enter(source, symbol=PUT)
    quote(PUT, "2", "2", at=AT)
    follow(AT)
    follow(EXPIRY + timedelta(hours=1))
    assert (held(PUT).status, held(PUT).close_price, held(PUT).pnl) == ("closed", None, None)


def test_leg_that_expires_without_a_quote_was_never_entered(source: SignalSource) -> None:
    enter(source, symbol=PUT)
    follow(EXPIRY + timedelta(hours=1))
    assert (held(PUT).status, held(PUT).pnl) == ("missed", None)


@pytest.mark.parametrize(
    ("quoted", "checked", "status"),
    [
        # The quote's own time decides: a check a moment later still enters it.
        (-1, 40, "open"),
        (0, 0, "missed"),
        (1, 1, "missed"),
        # From before the signal: a delayed one may come yet, for an hour.
        (-301, 3599, "waiting"),
        (-301, 3600, "missed"),
    ],
)
def test_nothing_is_entered_once_its_signal_has_expired(
    source: SignalSource, quoted: int, checked: int, status: str
) -> None:
    ends = AT + timedelta(seconds=300)
    legs = [{"symbol": PUT, "quantity": -1}, {"symbol": LOW, "quantity": 1}]
    enter(source, legs=legs, expires_at=ends.isoformat())
    quote(PUT, "2", "2", at=ends - timedelta(seconds=100))
    quote(LOW, "1", "1", at=ends + timedelta(seconds=quoted))
    follow(ends + timedelta(seconds=checked))
    assert [held(PUT).status, held(LOW).status] == [status, status]


def test_every_class_of_asset_is_held_on_paper(source: SignalSource) -> None:
    future = Contract(
        kind=InstrumentKind.FUTURE,
        symbol="/ESH6",
        underlying="/ES",
        root="/ES",
        multiplier=Decimal(50),
        currency="USD",
        expiry=date(2026, 3, 20),
    )
    on_future = Contract(
        kind=InstrumentKind.FUTURE_OPTION,
        symbol="EW1F6 C6000",
        underlying="/ES",
        root="EW1",
        multiplier=Decimal(50),
        currency="USD",
        expiry=date(2026, 1, 16),
        strike=Decimal(6000),
        right=Right.CALL,
    )
    pair = Contract(
        kind=InstrumentKind.CURRENCY,
        symbol="EUR.USD",
        underlying="EUR.USD",
        multiplier=Decimal(1),
        currency="USD",
    )
    resolve_instruments([future, on_future, pair])
    symbols = {"XYZ": 1, "SPX": 1, "/ESH6": 50, "EW1F6 C6000": 50, "EUR.USD": 1, PUT: 100}
    for symbol in symbols:
        enter(source, symbol=symbol, direction="short")
        # An index has no market of its own: its level is its mid.
        sides = ("0", "0") if symbol == "SPX" else ("10", "10")
        quote(symbol, *sides, at=AT, price="10")
    follow(AT)
    for symbol in symbols:
        sides = ("0", "0") if symbol == "SPX" else ("8", "8")
        quote(symbol, *sides, at=AT + timedelta(minutes=1), price="8")
    follow(AT + timedelta(minutes=1))
    for symbol, multiplier in symbols.items():
        assert held(symbol).pnl == Decimal("1.9") * multiplier, symbol
    last = held("/ESH6").instrument
    assert last.expires_at is not None
    as_of = last.expires_at - timedelta(minutes=2)
    bar = dict.fromkeys(("open", "high", "low", "close"), 12)
    PriceBar.objects.create(instrument=last, minute=as_of, as_of=as_of, source="ibkr", **bar)
    follow(last.expires_at + timedelta(minutes=1))
    assert (held("/ESH6").closed_kind, held("/ESH6").pnl) == ("cash_settlement", Decimal("-105"))


def test_source_may_limit_how_long_a_shadow_is_held(source: SignalSource) -> None:
    source.hold_days = 2
    source.save()
    enter(source)
    quote("XYZ", "100", "100", at=AT)
    follow(AT)
    quote("XYZ", "110", "110", at=AT + timedelta(days=2))
    follow(AT + timedelta(days=2))
    assert held("XYZ").status == "closed"
    assert held("XYZ").pnl == Decimal("108.9") - Decimal(101)


def test_contracts_without_a_new_quote_are_asked_for(source: SignalSource) -> None:
    enter(source)
    enter(source, symbol=PUT)
    quote("XYZ", "100", "100", at=AT)
    with time_machine.travel(AT, tick=False):
        found = unquoted_instruments(older_than=AT - timedelta(seconds=75))
    assert found == {source.owner.pk: {held(PUT).instrument_id}}


PRICES = st.decimals("-50", "500", places=2)
QUANTITIES = st.integers(-20, 20).filter(bool).map(Decimal)


class TestPaper(unittest.TestCase):
    @given(PRICES, PRICES, QUANTITIES, st.sampled_from([Decimal(1), Decimal(50), Decimal(100)]))
    def test_profit_is_the_move_times_what_is_held(
        self, entry: Decimal, end: Decimal, quantity: Decimal, multiplier: Decimal
    ) -> None:
        paper = Paper(multiplier=multiplier, quantity=quantity, price=entry, at=AT)
        assert paper.profit(end, at=AT) == (end - entry) * quantity * multiplier
        assert paper.profit(None, at=AT) is None

    @given(PRICES, QUANTITIES, st.decimals(0, "0.5", places=4))
    def test_slippage_never_helps(self, mid: Decimal, quantity: Decimal, slippage: Decimal) -> None:
        paid = worse(mid, quantity, slippage)
        assert (paid - mid) * quantity >= 0
        back = worse(mid, -quantity, slippage)
        paper = Paper(multiplier=Decimal(1), quantity=quantity, price=paid, at=AT)
        assert (paper.profit(back, at=AT) or 0) <= 0

    def test_one_sided_or_crossed_quote_has_no_mid(self) -> None:
        one, two = Decimal(1), Decimal(2)
        for bid, ask in ((None, one), (one, None), (two, one), (Decimal(0), Decimal(0))):
            assert mid_of("option", bid=bid, ask=ask, price=one) is None
        assert mid_of("index", bid=None, ask=None, price=one) == one


def test_mark_alone_drops_no_cached_performance_and_an_entry_does(
    source: SignalSource,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    dropped: list[Any] = []
    shown: list[Any] = []
    monkeypatch.setattr(announcing, "invalidate_changed", lambda *_, **named: dropped.append(named))
    monkeypatch.setattr(announcing, "announce_to", shown.append)
    enter(source)
    steps = []
    for minute, bid in ((1, "100"), (2, "101"), (3, "101")):
        quote("XYZ", bid, "102", at=AT + timedelta(minutes=minute))
        before = len(dropped), len(shown)
        with django_capture_on_commit_callbacks(execute=True):
            follow(AT + timedelta(minutes=minute))
        steps.append((len(dropped) - before[0], len(shown) > before[1]))
    # Entered; marked at another price; nothing new but its time.
    assert steps[:2] == [(1, True), (0, True)]
    assert steps[2][0] == 0
