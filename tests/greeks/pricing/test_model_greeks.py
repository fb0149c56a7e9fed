from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import pytest

from greeks.domain import Contract, InstrumentKind, Quote, Right
from greeks.instruments.expiry import expiry_instant
from greeks.instruments.occ import parse_occ
from greeks.maths import american, black_scholes, discrete_dividends
from greeks.pricing.model import model_greeks
from greeks.pricing.quotes import is_two_sided
from greeks.pricing.years import years_to
from tests.greeks.maths import black_76

AT = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
EXPIRY = date(2027, 1, 15)
SPOT, RATE, YIELD, VOLATILITY = 600.0, 0.04, 0.013, 0.2
FIXTURES = Path(
    os.environ.get("GREEKDESK_FIXTURES", Path(__file__).resolve().parents[3] / "../shared/fixtures")
)


@pytest.fixture(autouse=True)
def rate(settings: Any) -> None:
    settings.RISK_FREE_RATE = RATE


def contract(strike: float, right: Right, expiry: date = EXPIRY) -> Contract:
    return Contract(
        kind=InstrumentKind.OPTION,
        symbol=f"SPY {expiry} {strike} {right}",
        underlying="SPY",
        root="SPY",
        multiplier=Decimal(100),
        currency="USD",
        expiry=expiry,
        strike=Decimal(str(strike)),
        right=right,
    )


def quote(strike: float, right: Right, **changes: Any) -> Quote:
    """Return a two-sided quote around the theoretical price."""
    described = contract(strike, right, changes.pop("expiry", EXPIRY))
    expires_at = expiry_instant(described)
    assert expires_at is not None
    value = float(
        american.price(
            SPOT, strike, years_to(expires_at, AT), RATE, YIELD, VOLATILITY, right is Right.CALL
        )
    )
    values: dict[str, Any] = {
        "contract": described,
        "source": "ibkr",
        "as_of": AT,
        "bid": Decimal(repr(value - 0.01)),
        "ask": Decimal(repr(value + 0.01)),
    }
    return Quote(**(values | changes))


def test_half_day_shortens_the_time_to_expiry() -> None:
    quotes = {"C": quote(600.0, Right.CALL)}
    early = datetime(2027, 1, 15, 18, 0, tzinfo=UTC)

    def inputs(**options: Any) -> Any:
        found = model_greeks(
            wanted=["C"], quotes=quotes, spots={"stock:SPY:USD": SPOT}, at=AT, **options
        )
        return found["C"].inputs

    regular, half_day = inputs(), inputs(closes={"USD": {EXPIRY: early}})
    assert half_day["expires_at"] == early.isoformat()
    assert regular["years"] - half_day["years"] == pytest.approx(3 / 24 / 365)


def test_both_sides_of_a_strike_give_the_forward_and_the_volatility() -> None:
    quotes = {
        f"{strike}{right}": quote(strike, right)
        for strike in (580.0, 600.0, 620.0)
        for right in Right
    }

    found = model_greeks(wanted=quotes, quotes=quotes, spots={"stock:SPY:USD": SPOT}, at=AT)

    assert found.keys() == quotes.keys()
    for key, result in found.items():
        strike, is_call = float(key[:-1]), key[-1] == "C"
        assert result.inputs["model"] == "american"
        assert result.inputs["forward_source"] == "parity"
        assert result.inputs["dividend_yield"] == pytest.approx(YIELD, abs=2e-5)
        assert result.greeks.implied_volatility == pytest.approx(VOLATILITY, abs=1e-5)
        assert (result.greeks.source, result.greeks.as_of) == ("model", AT)
        expected = american.all_greeks(
            SPOT, strike, result.inputs["years"], RATE, YIELD, VOLATILITY, is_call
        )
        for name in ("delta", "gamma", "theta", "vega"):
            value = float(getattr(expected, name))
            assert getattr(result.greeks, name) == pytest.approx(value, rel=1e-3), name


def test_index_options_are_european_and_parity_gives_their_yield_exactly() -> None:
    quotes = {}
    for right in Right:
        described = replace(contract(6000.0, right), underlying="SPX", root="SPXW")
        expires_at = expiry_instant(described)
        assert expires_at is not None
        years = years_to(expires_at, AT)
        value = float(
            black_scholes.price(6010.0, 6000.0, years, RATE, YIELD, 0.15, right is Right.CALL)
        )
        bid, ask = Decimal(repr(value - 0.1)), Decimal(repr(value + 0.1))
        quotes[right.value] = quote(600.0, right, contract=described, bid=bid, ask=ask)

    found = model_greeks(wanted=quotes, quotes=quotes, spots={"index:SPX:USD": 6010.0}, at=AT)

    call, put = found["C"], found["P"]
    assert call.inputs["model"] == put.inputs["model"] == "black_scholes_merton"
    assert call.inputs["dividend_yield"] == pytest.approx(YIELD, abs=1e-9)
    assert call.greeks.implied_volatility == pytest.approx(0.15, abs=1e-9)
    assert call.greeks.delta is not None
    assert put.greeks.delta is not None
    parity = math.exp(-YIELD * call.inputs["years"])
    assert call.greeks.delta - put.greeks.delta == pytest.approx(parity, abs=1e-9)


@pytest.mark.parametrize(
    ("root", "expiry", "strike", "model"),
    [
        ("EW3", EXPIRY, 6000.0, "black_76"),
        ("ES", date(2027, 3, 19), 6000.0, "american_without_carry"),
        # So deep that a European one is worth less than the intrinsic value.
        ("ES", date(2027, 3, 19), 8400.0, "american_without_carry"),
    ],
)
def test_options_on_futures_are_priced_by_their_style_on_the_futures_price_without_carry(
    root: str, expiry: date, strike: float, model: str
) -> None:
    described = replace(
        contract(strike, Right.PUT, expiry),
        kind=InstrumentKind.FUTURE_OPTION,
        underlying="/ESH7",
        root=root,
    )
    expires_at = expiry_instant(described)
    assert expires_at is not None
    arguments = (6100.0, strike, years_to(expires_at, AT), RATE)
    if model == "black_76":
        expected = black_76.all_greeks(*arguments, 0.3, False)
    else:
        expected = american.all_greeks(*arguments, RATE, 0.3, False)
    value = Decimal(repr(float(expected.price)))
    quotes = {"P": quote(600.0, Right.PUT, contract=described, bid=value, ask=value)}

    found = model_greeks(wanted=["P"], quotes=quotes, spots={"future:ESH7:USD": 6100.0}, at=AT)["P"]

    assert found.inputs["model"] == model
    assert found.inputs["forward"] == found.inputs["spot"] == 6100.0
    assert found.greeks.implied_volatility == pytest.approx(0.3, abs=1e-6)
    assert found.greeks.delta == pytest.approx(float(expected.delta), abs=1e-6)
    assert found.greeks.theta == pytest.approx(float(expected.theta), abs=1e-5)


def test_known_dividends_are_priced_as_cash_and_recorded() -> None:
    described = contract(580.0, Right.CALL)
    expires_at = expiry_instant(described)
    assert expires_at is not None
    ex_date = date(2026, 12, 18)
    ex = datetime(2026, 12, 18, 14, 30, tzinfo=UTC)
    arguments = (SPOT, 580.0, years_to(expires_at, AT), RATE, 0.0, VOLATILITY, True, True)
    paid = ([[years_to(ex, AT)]], [[8.0]])
    value = Decimal(repr(float(discrete_dividends.price(*arguments, *paid)[0])))
    quotes = {"C": quote(580.0, Right.CALL, bid=value, ask=value)}

    found = model_greeks(
        wanted=["C"],
        quotes=quotes,
        spots={"stock:SPY:USD": SPOT},
        at=AT,
        dividends={"stock:SPY:USD": ((ex_date, 8.0), (date(2027, 3, 19), 8.0))},
    )["C"]

    assert found.inputs["model"] == "american_cash_dividends"
    assert found.inputs["dividends"] == [[years_to(ex, AT), 8.0]]
    assert found.greeks.implied_volatility == pytest.approx(VOLATILITY, abs=1e-7)
    expected = discrete_dividends.all_greeks(*arguments, *paid)
    assert found.greeks.delta == pytest.approx(float(expected.delta[0]), abs=1e-6)


def test_bid_of_zero_implies_neither_a_volatility_nor_a_forward() -> None:
    bidless = {
        "C": quote(600.0, Right.CALL, bid=Decimal(0)),
        "P": quote(600.0, Right.PUT, bid=Decimal(0), mark=Decimal(12)),
    }
    found = model_greeks(wanted=["C", "P"], quotes=bidless, spots={"stock:SPY:USD": SPOT}, at=AT)
    assert list(found) == ["P"]
    assert (found["P"].inputs["price"], found["P"].inputs["price_kind"]) == (12.0, "mark")
    assert found["P"].inputs["forward_source"] != "parity"


def test_mark_outside_bid_and_ask_implies_no_volatility() -> None:
    wild = quote(600.0, Right.CALL, bid=Decimal(0), ask=Decimal("0.05"), mark=Decimal(5))
    assert wild.is_mark_outside
    assert (
        model_greeks(wanted=["C"], quotes={"C": wild}, spots={"stock:SPY:USD": SPOT}, at=AT) == {}
    )


@pytest.mark.parametrize(
    ("bid", "ask", "right"),
    [
        (0.05, 0.1, True), (0.1, 0.1, True), (0.0, 0.1, False), (0.2, 0.1, False),
        (0.0, 0.0, False), (math.nan, 0.1, False), (0.1, math.nan, False), (-0.1, 0.1, False),
    ],
)  # fmt: skip
def test_quote_is_two_sided_with_a_buyer_and_a_seller(bid: float, ask: float, right: bool) -> None:
    assert is_two_sided(bid, ask) == right


def test_one_side_alone_is_priced_from_the_spot_and_the_rate() -> None:
    quotes = {"call": quote(600.0, Right.CALL)}

    found = model_greeks(wanted=["call"], quotes=quotes, spots={"stock:SPY:USD": SPOT}, at=AT)[
        "call"
    ]

    assert found.inputs["forward_source"] == "rate"
    assert found.inputs["spot"] == SPOT
    assert found.inputs["forward"] == pytest.approx(SPOT * math.exp(RATE * found.inputs["years"]))


def test_parity_without_a_spot_is_enough() -> None:
    quotes = {right.value: quote(600.0, right) for right in Right}

    found = model_greeks(wanted=["C"], quotes=quotes, spots={}, at=AT)["C"]

    assert found.greeks.implied_volatility == pytest.approx(VOLATILITY, abs=1e-3)


def test_parity_far_from_the_spot_is_not_believed() -> None:
    quotes = {right.value: quote(600.0, right) for right in Right}

    found = model_greeks(wanted=["C"], quotes=quotes, spots={"stock:SPY:USD": 400.0}, at=AT)

    assert all(result.inputs["forward_source"] == "rate" for result in found.values())


def test_mark_serves_where_the_quote_has_one_side_only_and_the_last_trade_never() -> None:
    marked = quote(600.0, Right.CALL, bid=None, mark=Decimal(20))
    traded = quote(610.0, Right.CALL, bid=None, ask=None, last=Decimal(20))

    found = model_greeks(
        wanted=["marked", "traded"],
        quotes={"marked": marked, "traded": traded},
        spots={"stock:SPY:USD": SPOT},
        at=AT,
    )

    assert found.keys() == {"marked"}
    assert found["marked"].inputs["price_kind"] == "mark"


@pytest.mark.parametrize(
    "impossible",
    [
        quote(600.0, Right.CALL, bid=Decimal(0), ask=Decimal(0)),
        quote(600.0, Right.CALL, bid=Decimal(700), ask=Decimal(702)),
        quote(300.0, Right.CALL, bid=Decimal(10), ask=Decimal(11)),
        quote(600.0, Right.CALL, expiry=AT.date() - timedelta(days=1), bid=Decimal(1)),
    ],
)
def test_price_that_determines_no_volatility_gives_no_greeks(impossible: Quote) -> None:
    assert (
        model_greeks(wanted=["a"], quotes={"a": impossible}, spots={"stock:SPY:USD": SPOT}, at=AT)
        == {}
    )


def test_nothing_known_of_the_underlying_gives_no_greeks() -> None:
    quotes = {"call": quote(600.0, Right.CALL)}

    assert model_greeks(wanted=["call"], quotes=quotes, spots={}, at=AT) == {}
    assert (
        model_greeks(wanted=["call"], quotes=quotes, spots={"stock:SPY:USD": math.nan}, at=AT) == {}
    )


@pytest.mark.parametrize("left", [timedelta(minutes=30), timedelta(seconds=5)])
def test_theta_before_expiry_is_no_more_than_the_option(left: timedelta) -> None:
    expires_at = expiry_instant(contract(600.0, Right.CALL))
    assert expires_at is not None
    quotes = {
        right.value: quote(600.0, right, bid=Decimal("0.5"), ask=Decimal("0.7")) for right in Right
    }

    found = model_greeks(
        wanted=quotes,
        quotes=quotes,
        spots={"stock:SPY:USD": SPOT},
        at=expires_at - left,
    )

    assert found.keys() == quotes.keys()
    for result in found.values():
        values = (result.greeks.delta, result.greeks.gamma, result.greeks.theta, result.greeks.vega)
        assert all(value is not None and math.isfinite(value) for value in values)
        assert result.greeks.theta == pytest.approx(-0.6, abs=1e-3)


@pytest.mark.skipif(not (FIXTURES / "cboe").exists(), reason="no recorded chains here")
def test_recorded_chain_agrees_with_its_vendor() -> None:
    """Out of the money, two-sided, 0.05 ≤ |Δ| ≤ 0.95: median error ≤ 0.005, p95 ≤ 0.02."""
    recorded = json.loads((FIXTURES / "cboe" / "AAPL_20260822.json").read_text())
    at, spot, rows = _chain(recorded)
    quotes: dict[str, Quote] = {}
    vendor: dict[str, float] = {}
    for described, bid, ask, delta in rows:
        quotes[described.symbol] = Quote(
            contract=described, source="cboe", as_of=at, bid=bid, ask=ask
        )
        right, strike = described.right, float(described.strike or 0)
        outside = strike > spot if right is Right.CALL else strike < spot
        if outside and bid > 0 and ask > bid and 0.05 <= abs(delta) <= 0.95:
            vendor[described.symbol] = delta

    found = model_greeks(wanted=vendor, quotes=quotes, spots={"stock:AAPL:USD": spot}, at=at)

    errors = [abs(found[key].greeks.delta - delta) for key, delta in vendor.items() if key in found]  # type: ignore[operator]
    assert len(errors) > 200
    assert len(errors) >= 0.95 * len(vendor)
    assert median(errors) <= 0.005
    assert quantiles(errors, n=20)[-1] <= 0.02


@pytest.mark.skipif(not (FIXTURES / "cboe").exists(), reason="no recorded chains here")
def test_recorded_index_chain_agrees_with_its_vendor() -> None:
    """A second look, with European options and both settlements; the same bars."""
    recorded = json.loads((FIXTURES / "cboe" / "RUT_20230921.json").read_text())["data"]
    # The close of the session before the file was written.
    at, spot = datetime(2023, 9, 20, 20, 15, tzinfo=UTC), float(recorded["current_price"])
    quotes: dict[str, Quote] = {}
    vendor: dict[str, float] = {}
    for row in recorded["options"]:
        symbol = parse_occ(row["option"])
        described = replace(
            contract(float(symbol.strike), symbol.right, symbol.expiry),
            symbol=row["option"],
            underlying="RUT",
            root=symbol.root,
        )
        bid, ask, delta = Decimal(str(row["bid"])), Decimal(str(row["ask"])), row["delta"]
        quotes[row["option"]] = Quote(contract=described, source="cboe", as_of=at, bid=bid, ask=ask)
        outside = (symbol.strike > spot) == (symbol.right is Right.CALL)
        if outside and bid > 0 and ask > bid and 0.05 <= abs(delta) <= 0.95:
            vendor[row["option"]] = delta

    found = model_greeks(wanted=vendor, quotes=quotes, spots={"index:RUT:USD": spot}, at=at)

    errors = [abs(found[key].greeks.delta - delta) for key, delta in vendor.items() if key in found]  # type: ignore[operator]
    assert len(errors) > 1000
    assert len(errors) >= 0.95 * len(vendor)
    assert median(errors) <= 0.005
    assert quantiles(errors, n=20)[-1] <= 0.02


def _chain(
    recorded: dict[str, Any],
) -> tuple[datetime, float, list[tuple[Contract, Decimal, Decimal, float]]]:
    at = datetime.fromisoformat(recorded["updated"]).astimezone(UTC)
    rows = []
    for row in recorded["quotes"]:
        if row["bid"] is None or row["ask"] is None or row["delta"] is None:
            continue
        described = Contract(
            kind=InstrumentKind.OPTION,
            symbol=row["symbol"],
            underlying="AAPL",
            root="AAPL",
            multiplier=Decimal(100),
            currency="USD",
            expiry=date.fromisoformat(row["expiration"]),
            strike=Decimal(str(row["strike"])),
            right=Right.CALL if row["side"] == "call" else Right.PUT,
        )
        bid, ask = Decimal(str(row["bid"])), Decimal(str(row["ask"]))
        rows.append((described, bid, ask, float(row["delta"])))
    return at, float(recorded["underlyingPrice"]), rows
