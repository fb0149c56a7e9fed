"""The sandbox's derived contracts: found again by any name, quoted in the vendor's unit."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from greeks.instruments.expiry import expiry_instant
from greeks.maths import american
from greeks.pricing.years import years_to
from greeks.sandbox.lines import LINES, magnifier
from greeks.sandbox.market import Market
from portfolio.sandbox.ibkr_terms import last_trading_day, local_symbol, vendor_quotes

START = datetime(2026, 11, 20, 20, tzinfo=UTC)


def fresh() -> Market:
    return Market.simulated(seed=7, start=START)


@pytest.mark.parametrize("name", LINES)
def test_contract_is_found_by_id_and_symbol_in_a_market_that_never_listed_it(name: str) -> None:
    market, line = fresh(), LINES[name]
    base = market.underlying(line.base)
    if line.root:
        day = next(day for day in market.expiries(line.base) if line.lists(day))
        base = market.chain(line.base, day)[0]
    contract = market.derive(name, base, date(2026, 12, 1))
    assert fresh().contract(contract.aliases["ibkr"]) == contract
    if "tastytrade" in contract.aliases:
        assert fresh().contract(contract.aliases["tastytrade"]) == contract
    (quote,) = market.quotes([contract])
    (told,) = vendor_quotes(market, [contract])
    assert quote.mark is not None
    assert told.mark == pytest.approx(quote.mark * magnifier(contract))


def test_morning_settled_option_last_trades_on_the_day_before() -> None:
    market = fresh()
    day = next(day for day in market.expiries("SPY") if LINES["morning option"].lists(day))
    morning = market.derive("morning option", market.chain("SPY", day)[0], day)
    assert (morning.expiry, last_trading_day(morning)) == (date(2026, 11, 20), date(2026, 11, 19))


def test_option_on_a_future_has_the_exchanges_local_symbol() -> None:
    market = fresh()
    option = market.contract("./MESZ6MESZ6 261218P6500")
    assert option is not None
    assert local_symbol(option) == "MESZ6 P6500"
    assert market.underlying_of(option).symbol == "/MESZ6"


def test_option_on_a_future_has_the_greeks_of_its_price_and_no_carry() -> None:
    market = fresh()
    option = market.contract("./MESH7MESH7 270319P6500")
    assert option is not None
    (quote,) = market.quotes([option])
    assert quote.mark is not None
    assert quote.underlying_price is not None
    assert quote.implied_volatility is not None
    years = years_to(expiry_instant(option) or quote.as_of, quote.as_of)
    arguments = (quote.underlying_price, 6500.0, years, 0.04, 0.04, quote.implied_volatility, False)
    expected = american.all_greeks(*arguments)
    assert float(expected.price) == pytest.approx(quote.mark, rel=5e-3)
    assert quote.delta == pytest.approx(float(expected.delta), abs=1e-5)


def test_what_no_line_lists_is_unknown() -> None:
    market = fresh()
    for key in ("/MESF7", "./MESZ6MESZ6 261217P6500", "SPX   261216P06500000", "99999999999999"):
        assert market.contract(key) is None
