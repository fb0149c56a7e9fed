"""Upstox's chains in our columns: units, missing values, inconsistent rows."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core.errors import MalformedResponse
from greeks.maths import black_scholes
from greeks.maths.implied_volatility import implied_volatility
from tests.greeks.providers.upstox_support import (
    AS_OF,
    EXPIRY,
    NIFTY,
    chain_body,
    decoded,
    recorded,
    side,
    strike,
)

GREEKS = ("delta", "gamma", "theta", "vega")


# --- What is read -----------------------------------------------------------------------------
def test_chain_has_every_number_of_a_contract_in_the_desks_units() -> None:
    chain = decoded(chain_body(strike()))

    assert (chain.source, chain.instrument_key, chain.expiry) == ("upstox", NIFTY, EXPIRY)
    assert (chain.as_of, chain.spot, chain.counts_contracts) == (AS_OF, 26012.35, False)
    assert chain.keys == ("NSE_FO|260001", "NSE_FO|260002")
    assert chain.is_call.tolist() == [True, False]
    first = {
        name: getattr(chain, name)[0]
        for name in ("strike", "bid", "ask", "last", "previous_close", "volume", "open_interest")
    }
    assert first == {
        "strike": 26000.0,
        "bid": 120.0,
        "ask": 121.0,
        "last": 120.5,
        "previous_close": 100.25,
        "volume": 150_000.0,
        "open_interest": 750_000.0,
    }
    assert chain.previous_open_interest[0] == 600_000.0
    assert chain.implied_volatility[0] == 0.125
    assert chain.greeks()[:, 0].tolist() == [0.51, 0.0009, -9.25, 12.5]
    assert chain.rejected == ()


def test_rows_are_sorted_by_strike_with_the_call_first() -> None:
    rows = [strike(26100), strike(25900), strike(26000)]
    rows[0] = dict(reversed(rows[0].items()))
    chain = decoded(chain_body(*rows))
    assert chain.strike.tolist() == [25900, 25900, 26000, 26000, 26100, 26100]
    assert chain.is_call.tolist() == [True, False] * 3


def test_null_sections_and_numbers_are_missing() -> None:
    call = side("NSE_FO|1") | {"option_greeks": None}
    put = side("NSE_FO|2", prev_oi=None, bid_price=None)
    chain = decoded(chain_body(strike(call_options=call, put_options=put)))
    assert np.isnan(chain.greeks()[:, 0]).all()
    assert np.isnan(chain.implied_volatility[0])
    assert np.isnan([chain.previous_open_interest[1], chain.bid[1]]).all()
    assert chain.last[0] == 120.5
    assert chain.rejected == ()


@pytest.mark.parametrize("delta", [0, 1, -1])
def test_greeks_that_were_not_computed_are_missing_and_never_nought(delta: float) -> None:
    call = side("NSE_FO|1", vega=0, theta=0, gamma=0, delta=delta, iv=0)
    chain = decoded(chain_body(strike(call_options=call)))
    assert np.isnan(chain.greeks()[:, 0]).all()
    assert np.isnan(chain.implied_volatility[0])
    assert not np.isnan(chain.greeks()[:, 1]).any()


def test_greeks_that_are_rounded_to_nought_were_computed() -> None:
    put = side("NSE_FO|2", vega=0.0, theta=0.0, gamma=0, delta=-0.0001, iv=31.43)
    chain = decoded(chain_body(strike(put_options=put)))
    assert chain.greeks()[:, 1].tolist() == [-0.0001, 0.0, 0.0, 0.0]


def test_contract_of_which_one_greek_is_missing_has_none() -> None:
    chain = decoded(chain_body(strike(call_options=side("NSE_FO|1", theta=None))))
    assert np.isnan(chain.greeks()[:, 0]).all()


def test_price_of_nought_is_none_and_a_bid_of_nought_beside_an_ask_is_a_bid() -> None:
    quiet = side("NSE_FO|1", ltp=0, close_price=0, bid_price=0, ask_price=0, volume=0, oi=0)
    nobody_bids = side("NSE_FO|2", bid_price=0, ask_price=0.05)
    chain = decoded(chain_body(strike(call_options=quiet, put_options=nobody_bids)))
    columns = (chain.last, chain.previous_close, chain.bid, chain.ask)
    assert all(np.isnan(column[0]) for column in columns)
    assert (chain.volume[0], chain.open_interest[0]) == (0.0, 0.0)
    assert (chain.bid[1], chain.ask[1]) == (0.0, 0.05)


def test_side_that_is_not_listed_is_no_contract() -> None:
    chain = decoded(chain_body(strike(put_options=None), strike(26100, call_options={})))
    assert [(s, c) for s, c in zip(chain.strike, chain.is_call, strict=True)] == [
        (26000.0, True),
        (26100.0, False),
    ]
    assert chain.rejected == ()


def test_missing_spot_is_none() -> None:
    for nothing in (None, 0, -1.0):
        assert decoded(chain_body(strike(underlying_spot_price=nothing))).spot is None


# --- What is rejected -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field", "name", "value"),
    [("ltp", "last", "n/a"), ("ltp", "last", True), ("oi", "open_interest", [1]),
     ("delta", "delta", {}), ("vega", "vega", "-")],
)  # fmt: skip
def test_cell_of_the_wrong_type_costs_the_cell_and_not_the_contract(
    field: str, name: str, value: Any
) -> None:
    bad = side("NSE_FO|1", **{field: value})
    chain = decoded(chain_body(strike(call_options=bad), strike(26100)))
    assert (len(chain), chain.rejected) == (4, ())
    assert math.isnan(getattr(chain, name)[0])
    assert not math.isnan(chain.bid[0])


def test_side_whose_greeks_are_no_object_has_none_and_stays() -> None:
    bad = side("NSE_FO|1") | {"option_greeks": "none"}
    chain = decoded(chain_body(strike(call_options=bad, underlying_spot_price="?"), strike(26100)))
    assert (len(chain), chain.rejected) == (4, ())
    assert np.isnan(chain.greeks()[:, 0]).all()
    assert chain.spot is not None


def test_side_that_is_no_object_is_rejected_alone() -> None:
    chain = decoded(chain_body(strike(call_options=[1]), strike(26100)))
    assert len(chain) == 3
    [rejected] = chain.rejected
    assert rejected.reason.startswith("call_options: Expected `object`")
    assert rejected.payload["strike_price"] == 26000.0
    assert "put_options" not in rejected.payload


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("ltp", -1.5, "last"),
        ("oi", -75, "open_interest"),
        ("volume", 10**14, "volume"),
        ("delta", 1.2, "delta"),
        ("delta", -999, "delta"),
        ("gamma", -0.1, "gamma"),
        ("iv", -5, "implied_volatility"),
        ("vega", 10**200, "vega"),
    ],
)
def test_impossible_number_is_missing_and_its_contract_stays(
    field: str, value: Any, name: str
) -> None:
    bad = side("NSE_FO|1", **{field: value})
    chain = decoded(chain_body(strike(call_options=bad), strike(26100)))
    assert (len(chain), chain.rejected) == (4, ())
    assert math.isnan(getattr(chain, name)[0])
    assert not math.isnan(chain.bid[0])


@pytest.mark.parametrize(
    "row", [None, 7, "row", [], {}, {"strike_price": "26000"}, {"strike_price": None}]
)
def test_row_that_is_none_is_rejected_and_the_rest_is_read(row: Any) -> None:
    chain = decoded(chain_body(row, strike()))
    assert (len(chain), len(chain.rejected)) == (2, 1)


def test_unreadable_strike_rejects_each_of_its_contracts() -> None:
    for price in ("x", -100, 0, 1e13):
        chain = decoded(chain_body(strike() | {"strike_price": price}, strike(26100)))
        assert (len(chain), len(chain.rejected)) == (2, 2)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1.797e308", "1e999"])
def test_number_that_is_none_is_missing(literal: str) -> None:
    text = json.dumps(chain_body(strike(call_options=side("NSE_FO|1", theta="HERE"))))
    chain = decoded(text.replace('"HERE"', literal))
    assert np.isnan(chain.theta[0])
    assert (len(chain), chain.rejected) == (2, ())


def test_contract_that_was_sent_twice_is_counted_once() -> None:
    chain = decoded(chain_body(strike(), strike(), strike(26100)))
    assert len(chain) == 4
    assert ["sent twice" in each.reason for each in chain.rejected] == [True, True]
    other_key = strike(call_options=side("NSE_FO|8"), put_options=None)
    chain = decoded(chain_body(strike(), other_key))
    assert (len(chain), chain.rejected[0].reason) == (2, "strike: 26000 was sent twice")


def test_contract_of_another_chain_is_rejected() -> None:
    other_day = strike(26100, expiry="2026-12-08")
    other_index = strike(26200, underlying_key="NSE_INDEX|Nifty Bank")
    chain = decoded(chain_body(strike(), other_day, other_index))
    assert (len(chain), len(chain.rejected)) == (2, 4)
    assert all("was not asked for" in each.reason for each in chain.rejected)


def test_key_that_cannot_be_stored_is_rejected() -> None:
    for key in ("", "NSE_FO|\x00", "N" * 65):
        chain = decoded(chain_body(strike(call_options=side(key))))
        assert (len(chain), len(chain.rejected)) == (1, 1)


@pytest.mark.parametrize(
    "body",
    [
        '{"status":"success","data":[{"expiry":',
        "<html>Sorry</html>",
        "null",
        "[]",
        '"data"',
        '{"status":"success"}',
        '{"status":"success","data":null}',
        '{"status":"success","data":{}}',
        '{"status":"success","data":[]}',
        '{"status":"success","data":[{}, 7]}',
        "\xff",
    ],
)
def test_answer_without_a_usable_contract_raises(body: str) -> None:
    with pytest.raises(MalformedResponse):
        decoded(body)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=80),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["ltp", "iv", "x"]), st.floats(), max_size=2),
)
FIELDS = st.sampled_from(
    [
        ("strike_price",),
        ("expiry",),
        ("underlying_key",),
        ("underlying_spot_price",),
        ("call_options", "instrument_key"),
        ("call_options", "market_data"),
        ("call_options", "market_data", "oi"),
        ("call_options", "option_greeks"),
        ("call_options", "option_greeks", "delta"),
        ("put_options", "option_greeks", "iv"),
    ]
)


@given(field=FIELDS, value=ANYTHING)
def test_damaged_field_loses_no_contract_and_lets_no_impossible_number_in(
    field: tuple[str, ...], value: Any
) -> None:
    row: Any = strike()
    place = row
    for name in field[:-1]:
        place = place[name]
    place[field[-1]] = value
    chain = decoded(chain_body(row, strike(26100)))
    assert len(chain) + len(chain.rejected) == 4
    for name in ("bid", "ask", "last", "volume", "open_interest", "implied_volatility", *GREEKS):
        column = getattr(chain, name)
        assert not np.isinf(column).any()
        assert (np.abs(column[~np.isnan(column)]) < 1e12).all()


# --- Beside the vendor's own samples ----------------------------------------------------------
def sample(name: str) -> Any:
    body = recorded(name)
    day = date.fromisoformat(body["data"][0]["expiry"])
    return decoded(body, expiry=day)


def test_sample_of_2024_is_read_and_its_call_was_not_computed() -> None:
    chain = sample("option_chain_doc_20240215")
    assert (len(chain), chain.rejected, chain.spot) == (2, (), 22122.25)
    assert chain.keys == ("NSE_FO|37263", "NSE_FO|37264")
    assert np.isnan(chain.greeks()[:, 0]).all()
    assert chain.greeks()[:, 1].tolist() == [-0.0026, 0.0, -0.5966, 0.2278]
    assert chain.implied_volatility[1] == pytest.approx(0.3143)
    assert (chain.open_interest[1], chain.previous_open_interest[1]) == (3957550.0, 14400.0)


@pytest.mark.parametrize("name", ["option_chain_doc_20240215", "option_chain_doc_20250213"])
def test_vega_of_a_sample_is_per_point_and_its_theta_per_calendar_day(name: str) -> None:
    """The time to expiry is not sent: it is the one at which our put has the sample's vega."""
    chain = sample(name)
    volatility = float(chain.implied_volatility[1])
    spot, strike_price = float(chain.spot or 0), float(chain.strike[1])

    def put(years: float) -> Any:
        return black_scholes.all_greeks(
            spot, strike_price, np.array(years), 0.0, 0.0, volatility, False
        )

    candidates = np.linspace(0.2, 60, 5000) / 365
    vegas = np.array([put(years).vega for years in candidates])
    years = float(candidates[np.abs(vegas - chain.vega[1]).argmin()])
    model = put(years)
    # The sample is rounded, its forward is not the spot, and the theta's rate is unknown.
    assert model.delta == pytest.approx(chain.delta[1], abs=0.0005)
    assert model.theta == pytest.approx(chain.theta[1], rel=0.2)


def test_volatility_of_a_sample_is_in_percent() -> None:
    chain = sample("option_chain_doc_20250213")
    call = implied_volatility(
        np.array([0.5 * (chain.bid[1] + chain.ask[1])]),
        chain.spot,
        chain.strike[1],
        np.array([1.2 / 365]),
        0.0,
        0.0,
        np.array([False]),
    )
    assert 0.3 < float(chain.implied_volatility[1]) < 0.7
    assert float(call[0]) == pytest.approx(float(chain.implied_volatility[1]), rel=0.15)
