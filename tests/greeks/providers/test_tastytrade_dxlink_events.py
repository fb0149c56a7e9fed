"""DxFeed events become our values whatever their order, and a bad one harms nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from greeks.domain import Contract, InstrumentKind, Right
from greeks.instruments.occ import parse_occ
from greeks.providers.tastytrade_dxlink.events import (
    WANTED_FIELDS,
    FeedCounts,
    LatestMarket,
    kinds_of,
)
from greeks.providers.tastytrade_dxlink.messages import (
    BadFrame,
    FeedConfig,
    FeedData,
    UnknownMessage,
    decode_message,
)
from greeks.providers.tastytrade_dxlink.symbols import streamer_symbol

CALL = Contract(
    kind=InstrumentKind.OPTION, symbol="SPY   270115C00600500", underlying="SPY", root="SPY",
    multiplier=Decimal(100), currency="USD", expiry=date(2027, 1, 15), strike=Decimal("600.5"),
    right=Right.CALL,
)  # fmt: skip
STOCK = Contract(
    kind=InstrumentKind.STOCK, symbol="SPY", underlying="SPY", multiplier=Decimal(1),
    currency="USD",
)  # fmt: skip
SYMBOL = ".SPY270115C600.5"
ORDERS = {kind: list(names) for kind, names in WANTED_FIELDS.items()}
TIME = 1_795_190_400_250
AT = datetime(2026, 11, 20, 16, 0, 0, 250_000, tzinfo=UTC)
GREEKS = {
    "eventSymbol": SYMBOL, "eventFlags": 0, "time": TIME, "volatility": 0.182, "delta": 0.5123,
    "gamma": 0.012, "theta": -0.21, "vega": 0.93,
}  # fmt: skip
QUOTE = {
    "eventSymbol": SYMBOL, "bidTime": TIME - 250, "bidPrice": 12.1, "askTime": TIME,
    "askPrice": 12.3,
}  # fmt: skip


@pytest.fixture
def market() -> LatestMarket:
    found = LatestMarket(FeedCounts())
    found.follow({SYMBOL: CALL, "SPY": STOCK})
    return found


def compact(kind: str, *events: dict[str, Any], order: list[str] | None = None) -> list[Any]:
    names = order or ORDERS[kind]
    return [kind, [event[name] for event in events for name in names]]


def test_greeks_are_read_with_their_time(market: LatestMarket) -> None:
    assert market.apply(compact("Greeks", GREEKS), ORDERS) == 1

    greeks = market.take_changed()[SYMBOL].greeks
    assert greeks is not None
    assert (greeks.delta, greeks.gamma, greeks.theta, greeks.vega) == (0.5123, 0.012, -0.21, 0.93)
    assert (greeks.implied_volatility, greeks.source, greeks.as_of) == (0.182, "tastytrade", AT)


def test_sentinels_are_missing(market: LatestMarket) -> None:
    data = compact("Greeks", GREEKS | {"delta": -999.0}) + compact(
        "Quote", QUOTE | {"bidPrice": -1}
    )
    assert market.apply(data, ORDERS) == 2

    snapshot = market.take_changed()[SYMBOL]
    assert snapshot.greeks is not None
    assert (snapshot.greeks.delta, snapshot.greeks.implied_volatility) == (None, 0.182)
    assert snapshot.faults == ("delta: -999 is impossible",)
    assert snapshot.quote is not None
    assert (snapshot.quote.bid, snapshot.quote.ask) == (None, Decimal("12.3"))


@pytest.mark.parametrize("sent", [True, "much", [1], 1e15])
def test_unreadable_greek_is_missing_by_name(market: LatestMarket, sent: Any) -> None:
    assert market.apply(compact("Greeks", GREEKS | {"delta": sent}), ORDERS) == 1
    snapshot = market.take_changed()[SYMBOL]
    assert snapshot.faults[0].startswith("delta: ")
    assert snapshot.greeks is not None
    assert (snapshot.greeks.delta, snapshot.greeks.implied_volatility) == (None, 0.182)
    market.apply(compact("Greeks", GREEKS), ORDERS)
    assert market.take_changed()[SYMBOL].faults == ()


def test_quote_trade_and_summary_make_one_quote(market: LatestMarket) -> None:
    trade = {"eventSymbol": SYMBOL, "time": TIME - 5000, "price": 12.25, "dayVolume": 321.0}
    summary = {
        "eventSymbol": SYMBOL, "dayOpenPrice": 11.9, "prevDayClosePrice": 11.85,
        "openInterest": 1200,
    }  # fmt: skip
    data = compact("Quote", QUOTE) + compact("Trade", trade) + compact("Summary", summary)

    assert market.apply(data, ORDERS) == 3

    snapshot = market.take_changed()[SYMBOL]
    quote = snapshot.quote
    assert quote is not None
    assert (quote.bid, quote.ask, quote.last) == (
        Decimal("12.1"),
        Decimal("12.3"),
        Decimal("12.25"),
    )
    assert (quote.opening_price, quote.previous_close) == (Decimal("11.9"), Decimal("11.85"))
    assert (quote.volume, quote.open_interest, quote.as_of) == (321, 1200, AT)
    assert quote.price == Decimal("12.2")
    assert snapshot.greeks is None
    assert market.take_changed() == {}


def test_open_interest_of_a_share_is_missing_and_not_nought(market: LatestMarket) -> None:
    summary = {
        "eventSymbol": "SPY", "dayOpenPrice": 600.0, "prevDayClosePrice": 599.0, "openInterest": 0,
    }  # fmt: skip
    quote = QUOTE | {"eventSymbol": "SPY"}
    market.apply(compact("Summary", summary) + compact("Quote", quote), ORDERS)

    found = market.take_changed()["SPY"].quote
    assert found is not None
    assert found.open_interest is None


@given(order=st.permutations(ORDERS["Greeks"]), extra=st.integers(0, 2))
def test_order_of_the_server_counts_and_no_other(order: list[str], extra: int) -> None:
    market = LatestMarket(FeedCounts())
    market.follow({SYMBOL: CALL})
    names = [*order, *(f"unknown{n}" for n in range(extra))]
    row = GREEKS | {f"unknown{n}": "x" for n in range(extra)}

    market.apply(compact("Greeks", row, order=names), {"Greeks": names})

    greeks = market.take_changed()[SYMBOL].greeks
    assert greeks is not None
    assert (greeks.delta, greeks.vega, greeks.implied_volatility) == (0.5123, 0.93, 0.182)


@pytest.mark.parametrize("missing", ["NaN", "Infinity", "-Infinity", None, 1.7976931348623157e308])
def test_missing_number_is_none(market: LatestMarket, missing: Any) -> None:
    market.apply(compact("Greeks", GREEKS | {"delta": missing}), ORDERS)
    market.apply(compact("Quote", QUOTE | {"bidPrice": missing}), ORDERS)

    snapshot = market.take_changed()[SYMBOL]
    assert snapshot.greeks is not None
    assert snapshot.greeks.delta is None
    assert snapshot.greeks.vega == 0.93
    assert snapshot.quote is not None
    assert (snapshot.quote.bid, snapshot.quote.price) == (None, None)
    assert market.counts.rejected_events == 0


def test_time_of_nought_is_that_of_the_arrival(market: LatestMarket) -> None:
    with time_machine.travel(AT, tick=False):
        market.apply(compact("Quote", QUOTE | {"bidTime": 0, "askTime": 0}), ORDERS)

    quote = market.take_changed()[SYMBOL].quote
    assert quote is not None
    assert quote.as_of == AT


def test_greeks_of_nothing_but_nan_are_none(market: LatestMarket) -> None:
    names = ("volatility", "delta", "gamma", "theta", "vega")
    market.apply(compact("Greeks", GREEKS), ORDERS)
    market.apply(compact("Greeks", GREEKS | dict.fromkeys(names, "NaN")), ORDERS)

    assert market.take_changed()[SYMBOL].greeks is None


def test_event_that_takes_the_value_back_is_obeyed(market: LatestMarket) -> None:
    market.apply(compact("Greeks", GREEKS), ORDERS)
    market.apply(compact("Greeks", GREEKS | {"eventFlags": 2}), ORDERS)

    assert market.take_changed()[SYMBOL].greeks is None


@pytest.mark.parametrize(
    "bad",
    [
        {"time": "soon"}, {"time": 12}, {"eventSymbol": None}, {"eventSymbol": "A" * 100},
        {"eventSymbol": "A\x00"}, {"eventFlags": 0.5},
    ],
)  # fmt: skip
def test_bad_event_is_counted_and_its_neighbours_are_kept(
    market: LatestMarket, bad: dict[str, Any]
) -> None:
    before = compact("Greeks", GREEKS | {"delta": 0.1})
    after = compact("Greeks", GREEKS | {"delta": 0.2})
    market.apply([*before, *compact("Greeks", GREEKS | bad), *after], ORDERS)

    greeks = market.take_changed()[SYMBOL].greeks
    assert greeks is not None
    assert greeks.delta == 0.2
    assert market.counts.rejected_events == 1
    assert market.counts.events == 2


@pytest.mark.parametrize(
    "data",
    [
        ["Greeks"],
        ["Greeks", [SYMBOL, 0]],
        ["Greeks", "flat"],
        ["Candle", [SYMBOL]],
        [7, [SYMBOL]],
        [[1], [SYMBOL]],
        [None, None],
    ],
)
def test_values_that_fit_no_order_are_refused(market: LatestMarket, data: list[Any]) -> None:
    assert market.apply(data, ORDERS) == 0
    assert market.counts.rejected_events == 1
    assert market.take_changed() == {}


def test_full_format_is_read_as_well(market: LatestMarket) -> None:
    market.apply([{"eventType": "Greeks"} | GREEKS, {"eventType": "Quote"} | QUOTE], {})

    snapshot = market.take_changed()[SYMBOL]
    assert snapshot.greeks is not None
    assert snapshot.quote is not None


def test_event_of_a_contract_no_longer_followed_is_dropped(market: LatestMarket) -> None:
    market.follow({"SPY": STOCK})
    market.apply(compact("Greeks", GREEKS), ORDERS)

    assert market.take_changed() == {}
    assert market.counts.rejected_events == 0


def test_value_given_back_is_taken_again_in_its_newest_form(market: LatestMarket) -> None:
    market.apply(compact("Greeks", GREEKS), ORDERS)
    taken = market.take_changed()
    market.apply(compact("Greeks", GREEKS | {"delta": 0.6}), ORDERS)
    market.give_back(taken)

    greeks = market.take_changed()[SYMBOL].greeks
    assert greeks is not None
    assert greeks.delta == 0.6


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@given(
    data=st.lists(
        st.sampled_from(["Greeks", "Quote", "Trade", "Summary"]) | st.lists(json_values), max_size=6
    )
)
def test_nothing_that_a_server_sends_raises(data: list[Any]) -> None:
    market = LatestMarket(FeedCounts())
    market.follow({SYMBOL: CALL})

    market.apply(data, ORDERS)


def test_shares_have_no_greeks_to_ask_for() -> None:
    assert kinds_of(CALL) == ("Quote", "Greeks", "Trade", "Summary")
    assert kinds_of(STOCK) == ("Quote", "Trade", "Summary")


@pytest.mark.parametrize(
    "frame",
    [
        "", "[]", "null", '{"type"', '{"type":"FEED_DATA","channel":1,"data":["Greeks",["a"',
        '{"type":"FEED_DATA","channel":1}', '{"type":7}', '{"channel":1}', b"\xff\xfe",
        '{"type":"FEED_DATA","channel":1,"data":[NaN]}', "[" * 100_000, "<html>",
    ],
)  # fmt: skip
def test_frame_that_is_no_message_is_said_to_be_bad(frame: str | bytes) -> None:
    with pytest.raises(BadFrame):
        decode_message(frame)


def test_unknown_message_and_unknown_fields_are_no_fault() -> None:
    assert decode_message('{"type":"FEED_STATS","x":[1]}') == UnknownMessage("FEED_STATS")
    config = '{"type":"FEED_CONFIG","channel":1,"new":1,"eventFields":{"Quote":["askPrice"]}}'
    assert decode_message(config) == FeedConfig(channel=1, event_fields={"Quote": ["askPrice"]})
    assert decode_message('{"type":"FEED_DATA","channel":3,"data":[]}') == FeedData(3, [])


@pytest.mark.parametrize(
    ("symbol", "streamer"),
    [
        ("SPY   260117C00600500", ".SPY260117C600.5"),
        ("AAPL  260918P00187500", ".AAPL260918P187.5"),
        ("GOOGL 260117C00097125", ".GOOGL260117C97.125"),
        ("SPXW  260117P06000000", ".SPXW260117P6000"),
        ("BRK/B 260117C00480000", ".BRK/B260117C480"),
        ("AAPL1 260117C00150000", ".AAPL1260117C150"),
        ("F     260117C00000500", ".F260117C0.5"),
    ],
)
def test_option_symbols_become_streamer_symbols(symbol: str, streamer: str) -> None:
    assert streamer_symbol(InstrumentKind.OPTION, symbol) == streamer
    assert parse_occ(symbol).streamer == streamer


@pytest.mark.parametrize(
    ("kind", "symbol", "streamer"),
    [
        (InstrumentKind.STOCK, "BRK/B", "BRK/B"),
        (InstrumentKind.INDEX, "SPX", "SPX"),
        (InstrumentKind.STOCK, "NOT A TICKER", None),
        (InstrumentKind.FUTURE, "/ESZ6", None),
        (InstrumentKind.CURRENCY, "BTC/USD", None),
        (InstrumentKind.OPTION, "not an option", None),
    ],
)
def test_plain_symbols_stay_and_others_are_not_streamed(
    kind: InstrumentKind, symbol: str, streamer: str | None
) -> None:
    assert streamer_symbol(kind, symbol) == streamer
