"""The simulated market: one truth for all processes, lively, consistent and without arbitrage."""

from __future__ import annotations

import math
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pytest

from greeks.domain import Contract, InstrumentKind, Right
from greeks.maths.black_scholes import all_greeks, price
from greeks.sandbox.market import Market
from greeks.sandbox.quotes import SimulatedQuote
from greeks.sandbox.surface import Surface, implied_volatilities
from greeks.sandbox.underlyings import INDEX_BY_SYMBOL
from tests.greeks.sandbox.fixtures import market_after_a_restart

# A Wednesday, 10:45 in New York; after the close in Kolkata.
START = datetime(2026, 11, 18, 15, 45, tzinfo=UTC)
OPENING = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def market() -> Market:
    """Shared by tests that do not step it."""
    return Market.simulated(seed=11, start=START)


def near_the_money(market: Market, symbol: str, *, days: int, count: int = 10) -> list[Contract]:
    expiry = next(
        expiry for expiry in market.expiries(symbol) if (expiry - market.now().date()).days >= days
    )
    spot = market.quote(market.underlying(symbol)).mark or 0.0
    chain = market.chain(symbol, expiry)
    return sorted(chain, key=lambda c: abs(float(c.strike or 0) - spot))[:count]


def numbers(quotes: list[SimulatedQuote]) -> list[tuple[object, ...]]:
    return [quote[1:] for quote in quotes]


def test_same_seed_and_moment_give_the_same_numbers_after_a_restart(market: Market) -> None:
    again = market_after_a_restart(seed=11, start=START - timedelta(seconds=90))
    again.step(90.0)
    for symbol in market.underlyings():
        contracts = [market.underlying(symbol), *near_the_money(market, symbol, days=20)]
        twins = [again.contract(contract.aliases["ibkr"]) for contract in contracts]
        assert twins == contracts
        assert numbers(again.quotes([t for t in twins if t])) == numbers(market.quotes(contracts))


def test_another_seed_is_another_market(market: Market) -> None:
    other = Market.simulated(seed=12, start=START)
    assert other.quote(other.underlying("SPY")).mark != market.quote(market.underlying("SPY")).mark
    option = near_the_money(market, "SPY", days=20)[0]
    twin = other.contract(option.symbol)
    assert twin is not None
    assert twin.aliases["ibkr"] != option.aliases["ibkr"]


def test_prices_move_every_few_seconds() -> None:
    market = Market.simulated(seed=11, start=START)
    contracts = [market.underlying(s) for s in ("SPY", "QQQ", "AAPL", "NVDA", "NIFTY", "BANKNIFTY")]
    marks = []
    for _ in range(20):
        marks.append([quote.mark for quote in market.quotes(contracts)])
        market.step(5.0)
    changes = np.diff(np.array(marks, dtype=float), axis=0) != 0.0
    assert changes.mean() > 0.8


def test_live_clock_is_the_wall_clock_and_can_be_stepped() -> None:
    market = Market.simulated(seed=11)
    assert not market.frozen
    assert abs(market.now() - datetime.now(UTC)) < timedelta(seconds=5)
    market.step(3600.0)
    assert market.now() - datetime.now(UTC) > timedelta(minutes=59)


def test_frozen_clock_moves_by_steps_only(market: Market) -> None:
    assert market.frozen
    assert market.now() == START
    with pytest.raises(ValueError, match="time zone"):
        Market.simulated(start=datetime(2026, 11, 18))  # noqa: DTZ001


def test_prices_stand_still_while_the_exchange_is_closed() -> None:
    market = Market.simulated(seed=11, start=START, always_open=False)
    nifty, spy = market.underlying("NIFTY"), market.underlying("SPY")
    assert market.is_open("NYSE")
    assert not market.is_open("NSE")
    before = market.quotes([nifty, spy])
    assert before[0].as_of == datetime(2026, 11, 18, 10, 0, tzinfo=UTC)
    assert before[1].as_of == START
    market.step(60.0)
    after = market.quotes([nifty, spy])
    assert after[0] == before[0]
    assert after[1].mark != before[1].mark


def test_real_hours_and_round_the_clock_agree_in_session(market: Market) -> None:
    hours = Market.simulated(seed=11, start=START, always_open=False)
    spy = market.underlying("SPY")
    assert hours.quote(spy).mark == market.quote(spy).mark


def test_underlyings_are_correlated_as_their_factors_say() -> None:
    market = Market.simulated(seed=11, start=START)
    contracts = [market.underlying(s) for s in ("SPY", "QQQ", "NVDA", "NIFTY", "BANKNIFTY", "VIX")]
    days = START.timestamp() - 86_400.0 * np.arange(400.0)
    moves = np.diff(np.log(market.values(contracts, days)))
    correlation = np.corrcoef(moves)
    spy, _, _, nifty, _, _ = correlation
    assert spy[1] > 0.75
    assert spy[2] > 0.35
    assert nifty[4] > 0.75
    assert 0.1 < spy[3] < 0.7
    assert spy[5] < -0.5


def test_vix_is_the_variance_swap_of_spys_own_options() -> None:
    """Replicated from out-of-the-money options as the exchange does, on a fine strip."""
    spy = INDEX_BY_SYMBOL["SPY"]
    state = Surface(11).state(np.array([START.timestamp()]))
    spot, years, rate, dividend_yield = state.spot[spy, 0], 30.0 / 365.0, 0.04, 0.011
    forward = spot * math.exp((rate - dividend_yield) * years)
    strikes = np.linspace(0.4 * spot, 1.7 * spot, 4001)
    volatility = implied_volatilities(
        np.array([spy]),
        np.array(spot),
        state.short_volatility[spy],
        state.long_volatility[spy],
        strikes,
        np.array(years),
        np.array(dividend_yield),
    )
    values = price(spot, strikes, years, rate, dividend_yield, volatility, strikes > forward)
    step = strikes[1] - strikes[0]
    variance = 2.0 / years * math.exp(rate * years) * (values / strikes**2).sum() * step
    vix = state.spot[INDEX_BY_SYMBOL["VIX"], 0]
    assert vix == pytest.approx(100.0 * math.sqrt(variance), abs=0.05)


def test_volatility_rises_when_the_spot_falls(market: Market) -> None:
    days = START.timestamp() - 86_400.0 * np.arange(300.0)
    pair = [market.underlying("SPY"), market.underlying("VIX")]
    spy, vix = market.values(pair, days)
    low, high = np.quantile(spy, [0.2, 0.8])
    assert vix[spy < low].mean() > vix[spy > high].mean() + 0.5


@pytest.mark.parametrize("symbol", ["SPY", "QQQ", "AAPL", "NVDA", "VIX", "NIFTY", "BANKNIFTY"])
def test_chains_leave_no_vertical_or_butterfly_arbitrage(market: Market, symbol: str) -> None:
    for expiry in market.expiries(symbol):
        chain = market.chain(symbol, expiry)
        strikes = np.array([float(c.strike or 0) for c in chain[::2]])
        values = market.values(chain, np.array([START.timestamp()]))[:, 0]
        for side, sign in ((values[::2], -1.0), (values[1::2], 1.0)):
            slopes = np.diff(side) / np.diff(strikes)
            assert (sign * slopes >= -1e-9).all(), expiry
            assert (np.abs(slopes) <= 1.0 + 1e-9).all(), expiry
            assert (np.diff(slopes) >= -1e-6).all(), expiry


def test_smile_slopes_down_and_term_structure_exists(market: Market) -> None:
    chain = [c for c in near_the_money(market, "SPY", days=30, count=80) if c.right is Right.PUT]
    quotes = sorted(market.quotes(chain), key=lambda quote: quote.contract.strike or Decimal(0))
    volatilities = [quote.implied_volatility or 0.0 for quote in quotes]
    assert volatilities[0] > volatilities[len(quotes) // 2] > 0.05
    near = market.quote(near_the_money(market, "SPY", days=20)[0]).implied_volatility
    far = market.quote(near_the_money(market, "SPY", days=500)[0]).implied_volatility
    assert near != pytest.approx(far, abs=0.003)


def test_expiries_hold_weeklies_monthlies_and_leaps(market: Market) -> None:
    spy = market.expiries("SPY")
    assert spy == tuple(sorted(spy))
    assert spy[0] == START.date()
    assert [str(day) for day in spy[1:5]] == [
        "2026-11-19",
        "2026-11-20",
        "2026-11-23",
        "2026-11-24",
    ]
    assert (spy[-1] - START.date()).days > 700
    assert "2026-12-18" in map(str, market.expiries("AAPL"))
    # The week of Thanksgiving and Christmas: the day before a holiday.
    assert "2026-12-24" in map(str, market.expiries("NVDA"))
    # VIX: thirty days before the next month's third Friday.
    assert str(market.expiries("VIX")[0]) == "2026-12-16"
    assert {day.weekday() for day in market.expiries("NIFTY")} <= {0, 1}


def test_expiry_of_today_ends_with_the_session() -> None:
    market = Market.simulated(seed=11, start=datetime(2026, 11, 18, 20, 59, 59, tzinfo=UTC))
    assert market.expiries("SPY")[0] == START.date()
    option = market.chain("SPY", START.date())[0]
    market.step(2.0)
    assert market.expiries("SPY")[0] > START.date()
    expired = market.quote(option)
    assert expired.mark is not None
    assert expired.gamma == 0.0


def test_lots_and_multipliers_are_the_markets(market: Market) -> None:
    lots = {s: market.chain(s, market.expiries(s)[0])[0].multiplier for s in market.underlyings()}
    assert lots["NIFTY"] == 75
    assert lots["BANKNIFTY"] == 35
    assert lots["SPY"] == lots["VIX"] == 100
    assert market.underlying("NIFTY").currency == "INR"


def test_contract_is_found_by_symbol_and_conid_without_listing_it_first(market: Market) -> None:
    fresh = Market.simulated(seed=11, start=START)
    for symbol in market.underlyings():
        for contract in near_the_money(market, symbol, days=10, count=4):
            for key in (contract.symbol, contract.aliases["ibkr"]):
                assert fresh.contract(key) == contract
    assert fresh.contract(265598) == fresh.underlying("AAPL")


@pytest.mark.parametrize(
    "key",
    ["", "XYZ", "0", "999999999999", "SPY   261399C00500000", "SPY   261118C00500001", "１２"],
)
def test_unknown_contract_is_none(market: Market, key: str) -> None:
    assert market.contract(key) is None


def test_unknown_symbols_are_refused_by_name(market: Market) -> None:
    stranger = Contract(
        kind=InstrumentKind.STOCK,
        symbol="ZZZ",
        underlying="ZZZ",
        multiplier=Decimal(1),
        currency="USD",
    )
    with pytest.raises(KeyError, match="ZZZ"):
        market.quotes([stranger])
    with pytest.raises(KeyError, match="ZZZ"):
        market.expiries("ZZZ")
    assert market.chain("SPY", datetime(2026, 11, 22, tzinfo=UTC).date()) == ()


def test_conids_are_unique_and_fit_thirty_one_bits(market: Market) -> None:
    conids = [
        int(contract.aliases["ibkr"])
        for symbol in market.underlyings()
        for expiry in market.expiries(symbol)[:6]
        for contract in market.chain(symbol, expiry)
    ]
    assert len(conids) == len(set(conids))
    assert 0 <= min(conids) <= max(conids) < 2**31


def test_quotes_are_two_sided_on_ticks_around_the_model(market: Market) -> None:
    for symbol, tick in (("SPY", 0.01), ("NVDA", 0.05), ("NIFTY", 0.05)):
        contracts = near_the_money(market, symbol, days=60)
        values = market.values(contracts, np.array([START.timestamp()]))[:, 0]
        for quote, value in zip(market.quotes(contracts), values.tolist(), strict=True):
            assert quote.bid is not None
            assert quote.ask is not None
            assert quote.last is not None
            assert quote.bid < quote.ask
            assert quote.bid <= value <= quote.ask
            assert quote.bid <= quote.last <= quote.ask
            assert quote.mark == pytest.approx((quote.bid + quote.ask) / 2.0)
            if quote.bid > 3.0:
                steps = quote.bid / tick
                assert steps == pytest.approx(round(steps), abs=1e-6)


def test_greeks_of_a_quote_are_those_of_its_own_volatility() -> None:
    """On the NIFTY, whose options are European: Black-Scholes from the quote's own numbers."""
    market = Market.simulated(seed=11, start=START)
    for option in near_the_money(market, "NIFTY", days=10, count=6):
        quote = market.quote(option)
        assert option.expiry is not None
        expires_at = datetime.combine(option.expiry, time(10, 0), UTC)
        years = (expires_at - START) / timedelta(days=365)
        model = all_greeks(
            quote.underlying_price or 0.0,
            float(option.strike or 0),
            years,
            0.065,
            0.012,
            quote.implied_volatility or 0.0,
            option.right is Right.CALL,
        )
        assert quote.delta == pytest.approx(float(model.delta), abs=1e-6)
        assert quote.gamma == pytest.approx(float(model.gamma), rel=1e-5)
        assert quote.theta == pytest.approx(float(model.theta), rel=1e-5)
        assert quote.vega == pytest.approx(float(model.vega), rel=1e-5)
        assert quote.rho == pytest.approx(float(model.rho), rel=1e-4)


def test_american_options_never_trade_below_intrinsic(market: Market) -> None:
    expiry = market.expiries("AAPL")[-1]
    spot = market.quote(market.underlying("AAPL")).mark or 0.0
    deep = [c for c in market.chain("AAPL", expiry) if c.right is Right.PUT][-1]
    quote = market.quote(deep)
    assert quote.mark is not None
    assert quote.mark >= float(deep.strike or 0) - spot - 0.05
    assert quote.delta == -1.0


def test_open_interest_gathers_near_the_money_and_at_round_strikes(market: Market) -> None:
    expiry = next(e for e in market.expiries("SPY") if str(e) == "2026-12-18")
    quotes = market.quotes([c for c in market.chain("SPY", expiry) if c.right is Right.PUT])
    spot = quotes[0].underlying_price or 0.0
    near = [q for q in quotes if abs(float(q.contract.strike or 0) / spot - 1.0) < 0.06]
    far = [q for q in quotes if abs(float(q.contract.strike or 0) / spot - 1.0) > 0.25]
    round_ones = [q.open_interest or 0 for q in near if float(q.contract.strike or 0) % 10 == 0]
    others = [q.open_interest or 0 for q in near if float(q.contract.strike or 0) % 5]
    assert np.mean(round_ones) > 2.0 * np.mean(others)
    assert np.mean(others) > 5.0 * np.mean([q.open_interest or 0 for q in far])


def test_volume_grows_through_the_session_and_open_interest_stands() -> None:
    market = Market.simulated(seed=11, start=OPENING + timedelta(minutes=5), always_open=False)
    contracts = [market.underlying("SPY"), *near_the_money(market, "SPY", days=2)]
    early = market.quotes(contracts)
    market.step(3 * 3600.0)
    later = market.quotes(contracts)
    assert all((b.volume or 0) > (a.volume or 0) for a, b in zip(early, later, strict=True))
    assert [q.open_interest for q in early] == [q.open_interest for q in later]
    assert early[0].open_interest is None


def test_opening_price_and_previous_close_are_of_the_session(market: Market) -> None:
    spy = market.underlying("SPY")
    quote = market.quote(spy)
    assert market.session_open("NYSE") == OPENING
    assert market.previous_close_at("NYSE") == datetime(2026, 11, 17, 21, 0, tzinfo=UTC)
    close = market.values([spy], np.array([market.previous_close_at("NYSE").timestamp()]))[0, 0]
    assert quote.previous_close == pytest.approx(close, abs=0.006)
    opening = market.values([spy], np.array([OPENING.timestamp() + 1.0]))[0, 0]
    assert quote.opening_price == pytest.approx(opening, abs=0.006)


def test_index_has_no_market_of_its_own(market: Market) -> None:
    quote = market.quote(market.underlying("VIX"))
    assert quote.bid is quote.ask is quote.volume is quote.open_interest is quote.delta is None
    assert quote.mark == quote.last == quote.underlying_price
