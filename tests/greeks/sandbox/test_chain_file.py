"""Chain files: missing values stay missing, and errors are named."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from greeks.sandbox.chain_file import ChainFileError, read_chain_file
from greeks.sandbox.market import Market
from tests.greeks.sandbox.chains import CBOE_ROW, cboe, normalised, write


def test_cboe_form_is_quoted_verbatim(tmp_path: Path) -> None:
    market = Market.from_chain_file(write(tmp_path, cboe()))
    assert market.frozen
    assert market.recorded
    # A stamp without zone is UTC.
    assert market.now() == datetime(2026, 8, 15, 1, 0, tzinfo=UTC)
    assert market.underlyings() == ("XYZ",)
    call = market.contract("XYZ   260918C00100000")
    assert call is not None
    quote = market.quote(call)
    assert quote[2:] == (
        4.9,
        5.1,
        None,
        5.0,
        None,
        4.25,
        12,
        321,
        0.2512,
        0.5312,
        0.0211,
        -0.0301,
        0.1402,
        0.0812,
        100.25,
    )
    spot = market.quote(market.underlying("XYZ"))
    assert spot.contract.kind == "index"
    assert (spot.mark, spot.opening_price, spot.previous_close) == (100.25, 101.0, 102.5)
    assert spot.bid is spot.ask is spot.delta is None


def test_expired_row_of_the_day_and_second_root_are_kept(tmp_path: Path) -> None:
    market = Market.from_chain_file(write(tmp_path, cboe()))
    assert [str(day) for day in market.expiries("XYZ")] == ["2026-08-14", "2026-09-18"]
    expired = market.chain("XYZ", market.expiries("XYZ")[0])[0]
    assert (expired.root, expired.underlying) == ("XYZW", "XYZ")
    quote = market.quote(expired)
    assert quote.implied_volatility is None
    assert (quote.bid, quote.ask, quote.delta) == (0.0, 0.05, 0.0)


def test_normalised_form_is_quoted_verbatim(tmp_path: Path) -> None:
    market = Market.from_chain_file(write(tmp_path, normalised()))
    assert market.now() == datetime(2026, 8, 14, 19, 0, tzinfo=UTC)
    call, put = market.quotes(market.chain("XYZ", market.expiries("XYZ")[0]))
    assert (call.mark, call.last, call.open_interest, call.delta) == (5.0, 4.8, 7, 0.53)
    assert call.volume is call.implied_volatility is call.opening_price is None
    assert put.bid is put.mark is None
    assert put.ask == 5.1


def test_step_moves_prices_from_the_quotes_without_a_jump(tmp_path: Path) -> None:
    market = Market.from_chain_file(write(tmp_path, cboe()))
    spot, call = market.underlying("XYZ"), market.contract("XYZ   260918C00100000")
    assert call is not None
    market.step(1e-3)
    soon = market.quote(call)
    assert soon.mark == pytest.approx(5.0, abs=0.01)
    assert soon.delta != 0.5312
    assert soon.delta == pytest.approx(0.53, abs=0.03)
    market.step(3600.0)
    later, moved = market.quote(call), market.quote(spot).mark or 0.0
    assert moved != 100.25
    assert (later.mark or 0.0) - 5.0 == pytest.approx(0.53 * (moved - 100.25), abs=0.05)
    assert later.open_interest == 321
    market.step(86_400.0 * 60)
    settled = market.quote(call).mark or 0.0
    at_expiry = max((market.quote(spot).mark or 0.0) - 100.0, 0.0)
    assert settled == pytest.approx(at_expiry, abs=0.02)


def test_step_there_and_back_returns_to_the_file(tmp_path: Path) -> None:
    market = Market.from_chain_file(write(tmp_path, cboe()))
    chain = market.chain("XYZ", market.expiries("XYZ")[1])
    before = market.quotes(chain)
    market.step(64.0)
    assert market.quotes(chain) != before
    market.step(-64.0)
    assert market.quotes(chain) == before


def _row(**changes: Any) -> dict[str, Any]:
    return cboe(data={"options": [CBOE_ROW | changes]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("  \n", "the file is empty"),
        (json.dumps(cboe())[:700], "not complete JSON: .* line 1, column"),
        ("<html>Access denied</html>", "not complete JSON"),
        ("[]", "neither Cboe's JSON .* nor the normalised form"),
        ('{"hello": 1}', "neither Cboe's JSON .* nor the normalised form"),
        (cboe(data={"options": []}), "data.options holds no options"),
        (cboe(data={"options": None}), "data.options holds no options"),
        (cboe(data={"options": ["C100"]}), r"data.options\[0\] is not an object"),
        (cboe(timestamp=None), "timestamp, the time of the quotes, is missing"),
        (cboe(timestamp="yesterday"), "timestamp is not a time: 'yesterday'"),
        (cboe(data={"current_price": 0.0}), "data.current_price, the underlying's price"),
        (cboe(data={"current_price": None}), "data.current_price, the underlying's price"),
        (cboe(symbol="", data={"symbol": ""}), "data.symbol is missing"),
        (_row(option="XYZ2609C00100000"), r"data.options\[0\].option is not an OCC option symbol"),
        (_row(option=None), r"data.options\[0\].option is not an OCC option symbol"),
        (_row(option="XYZ261318C00100000"), "is not an OCC option symbol"),
        (_row(bid="4.9"), r"data.options\[0\].bid is not a number: '4.9'"),
        (_row(gamma=True), r"data.options\[0\].gamma is not a number"),
        (json.dumps(_row(ask=1.0)).replace('"ask": 1.0', '"ask": 1e999'), "not a finite number"),
        (normalised(quotes=[]), "quotes holds no options"),
        (normalised(updated=5), "updated, the time of the quotes, is missing"),
        (normalised(underlyingPrice=-3), "underlyingPrice, the underlying's price"),
        (
            normalised(quotes=[normalised()["quotes"][0] | {"strike": 101.0}]),
            r"quotes\[0\]: expiration '2026-09-18' and strike 101.0 are not those of its symbol",
        ),
    ],
)
def test_unusable_file_is_refused_saying_what_is_wrong(
    tmp_path: Path, content: object, message: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ChainFileError, match=message) as caught:
        Market.from_chain_file(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        "C100",
        {"option": None},
        CBOE_ROW,
        CBOE_ROW | {"option": "XYZ260918P00100000", "bid": "x"},
    ],
)
def test_bad_row_is_left_out_and_the_file_is_used(tmp_path: Path, bad: Any) -> None:
    chain = read_chain_file(write(tmp_path, cboe(data={"options": [CBOE_ROW, bad]})))
    assert len(chain.options) == len(chain.numbers["bid"]) == 1
    assert chain.numbers["bid"][0] == CBOE_ROW["bid"]


def test_sentinel_delta_in_a_file_costs_the_greeks_and_not_the_row(tmp_path: Path) -> None:
    chain = read_chain_file(write(tmp_path, _row(delta=-999.0)))
    assert math.isnan(chain.numbers["delta"][0])
    assert math.isnan(chain.numbers["gamma"][0])
    assert chain.numbers["open_interest"][0] == CBOE_ROW["open_interest"]


@pytest.mark.parametrize(
    ("name", "sent", "key"),
    [
        ("bid", -1.0, "bid"),
        ("ask", 1e13, "ask"),
        ("open_interest", -5, "open_interest"),
        ("implied_volatility", -999.0, "iv"),
        ("gamma", -999.0, "gamma"),
    ],
)
def test_impossible_number_in_a_file_is_missing_and_its_row_stays(
    tmp_path: Path, name: str, sent: float, key: str
) -> None:
    chain = read_chain_file(write(tmp_path, _row(**{key: sent})))
    assert math.isnan(chain.numbers[name][0])
    assert math.isnan(chain.numbers["delta"][0]) is (name == "gamma")
    assert chain.numbers["volume"][0] == CBOE_ROW["volume"]


def test_number_too_large_for_a_float_costs_its_row_or_the_file_by_name(tmp_path: Path) -> None:
    huge = CBOE_ROW | {"option": "XYZ260918P00100000", "bid": 10**400}
    chain = read_chain_file(write(tmp_path, cboe(data={"options": [CBOE_ROW, huge]})))
    assert len(chain.options) == 1
    with pytest.raises(ChainFileError, match=r"data\.current_price is not a finite number"):
        read_chain_file(write(tmp_path, cboe(data={"current_price": 10**400})))


def test_missing_file_and_folder_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ChainFileError, match=r"nowhere\.json: there is no such file"):
        Market.from_chain_file(tmp_path / "nowhere.json")
    with pytest.raises(ChainFileError, match="cannot be read"):
        Market.from_chain_file(tmp_path)


def test_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chain.json"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ChainFileError, match="cannot be read"):
        Market.from_chain_file(path)


def test_nan_in_the_file_is_missing(tmp_path: Path) -> None:
    text = json.dumps(_row()).replace('"delta": 0.5312', '"delta": NaN')
    market = Market.from_chain_file(write(tmp_path, text))
    call = market.contract("XYZ   260918C00100000")
    assert call is not None
    assert market.quote(call).delta is None
