"""Cboe's delayed quotes in our columns, and one download for all callers."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core.errors import MalformedResponse, PermanentError
from config.core.http.responses import Answer
from config.core.sandbox.server import Sandbox
from greeks.providers.cboe.client import CboeClient
from greeks.providers.cboe.provider import CboeProvider
from greeks.providers.cboe.quotes import QuoteFile, decode_file
from greeks.sandbox.cboe.server import CboeServer
from greeks.sandbox.market import Market
from tests.greeks.providers.cboe_support import (
    AS_OF,
    EXPIRED,
    SEPTEMBER,
    Store,
    provider,
    with_options,
)
from tests.greeks.sandbox.chains import CBOE_ROW, cboe
from tests.greeks.sandbox.fixtures import recorded_chain
from tests.identity_cases import identity_cases

GREEKS = ("delta", "gamma", "theta", "vega")


def decoded(body: Any) -> QuoteFile:
    content = body if isinstance(body, str) else json.dumps(body)
    return decode_file(Answer("cboe", "cboe GET /x.json", 200, {}, content.encode()))


def test_chain_has_every_number_and_counts_contracts() -> None:
    chain = provider(Store(cboe())).fetch_chain("XYZ", SEPTEMBER)
    assert (chain.source, chain.instrument_key, chain.expiry) == ("cboe", "XYZ", SEPTEMBER)
    assert (chain.as_of, chain.spot, chain.counts_contracts) == (AS_OF, 100.25, True)
    assert chain.keys == ("XYZ260918C00100000", "XYZ260918P00100000")
    assert chain.strike.tolist() == [100.0, 100.0]
    assert chain.is_call.tolist() == [True, False]
    assert (chain.bid[0], chain.ask[0], chain.volume[0], chain.open_interest[0]) == (
        4.9,
        5.1,
        12.0,
        321.0,
    )
    assert chain.greeks()[:, 0].tolist() == [0.5312, 0.0211, -0.0301, 0.1402]
    assert chain.implied_volatility[0] == 0.2512
    assert np.isnan([chain.last[0], chain.previous_open_interest[0]]).all()
    assert chain.previous_close[0] == 4.25


def test_expiries_that_passed_are_not_listed_and_todays_are() -> None:
    yesterdays = CBOE_ROW | {"option": "XYZW260813P00090000"}
    body = with_options(*cboe()["data"]["options"], yesterdays)
    listing = provider(Store(body)).fetch_listing("XYZ")
    assert [(each.expiry, each.lot_size) for each in listing.expiries] == [
        (EXPIRED, 100),
        (SEPTEMBER, 100),
    ]
    assert listing.as_of == AS_OF


def test_option_that_has_expired_has_no_greeks() -> None:
    chain = provider(Store(cboe())).fetch_chain("XYZ", EXPIRED)
    assert np.isnan(chain.greeks()).all()
    assert np.isnan(chain.implied_volatility).all()
    assert (chain.bid[0], chain.ask[0]) == (0.0, 0.05)


def test_roots_of_one_expiry_are_both_there_pair_by_pair() -> None:
    names = ["SPX260918P00100000", "SPXW260918C00100000", "SPX260918C00100000"]
    names += ["SPXW260918P00100000", "SPXW260918C00099500"]
    chain = decoded(with_options(*(CBOE_ROW | {"option": name} for name in names))).chain(
        "SPX", SEPTEMBER, as_of=AS_OF
    )
    assert chain.keys == (
        "SPXW260918C00099500",
        "SPX260918C00100000",
        "SPX260918P00100000",
        "SPXW260918C00100000",
        "SPXW260918P00100000",
    )
    assert (chain.strike[0], chain.rejected) == (99.5, ())


def test_missing_volatility_leaves_the_greeks_that_were_computed() -> None:
    deep = CBOE_ROW | {"iv": 0.0, "delta": 0.9974, "gamma": 0.0, "theta": 0.0, "vega": 0.0081}
    chain = decoded(with_options(deep)).chain("XYZ", SEPTEMBER, as_of=AS_OF)
    assert np.isnan(chain.implied_volatility[0])
    assert chain.greeks()[:, 0].tolist() == [0.9974, 0.0, 0.0, 0.0081]


def test_file_without_a_time_is_as_old_as_its_answer() -> None:
    body = cboe()
    del body["timestamp"]
    assert decoded(body).chain("XYZ", SEPTEMBER, as_of=AS_OF).as_of == AS_OF
    for stamp in ("yesterday", "0002-01-01T00:00:00"):
        with pytest.raises(MalformedResponse, match="timestamp"):
            decoded(cboe(timestamp=stamp))


@pytest.mark.parametrize(
    "row",
    [
        None,
        7,
        {},
        CBOE_ROW | {"option": "NOT AN OPTION"},
        CBOE_ROW | {"option": "XYZ261318C00100000"},
        CBOE_ROW | {"option": "XYZ260918C0010000٣"},
        CBOE_ROW | {"option": 7},
    ],
)
def test_row_that_names_no_option_is_rejected_with_the_listing(row: Any) -> None:
    body = with_options(*cboe()["data"]["options"], row)
    source = provider(Store(body))
    assert len(source.fetch_listing("XYZ").rejected) == 1
    assert len(source.fetch_chain("XYZ", SEPTEMBER)) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"option": "XYZ260918C00000000"}, "strike: 0 is not a strike"),
        ({}, "key: 'XYZ260918C00100000' was sent twice"),
    ],
)
def test_impossible_option_is_rejected_with_its_chain(change: dict[str, Any], reason: str) -> None:
    chain = decoded(with_options(CBOE_ROW, CBOE_ROW | change)).chain("XYZ", SEPTEMBER, as_of=AS_OF)
    assert len(chain) == 1
    [rejected] = chain.rejected
    # The symbol parser already refuses a strike of zero.
    assert rejected.reason.startswith(reason)
    assert rejected.payload["option"].startswith("XYZ260918C")


@pytest.mark.parametrize("change", [{"delta": -999.0}, {"delta": -1.5}, {"vega": 1e13}])
def test_sentinel_among_the_greeks_costs_the_greeks_and_not_the_row(change: dict[str, Any]) -> None:
    put = CBOE_ROW | {"option": "XYZ260918P00100000", "iv": 0.0, "open_interest": 700.0} | change
    chain = decoded(with_options(CBOE_ROW, put)).chain("XYZ", SEPTEMBER, as_of=AS_OF)
    assert (len(chain), chain.rejected) == (2, ())
    assert np.isnan(chain.greeks()[:, 1]).all()
    assert not np.isnan(chain.greeks()[:, 0]).any()
    assert chain.open_interest[1] == 700.0


@pytest.mark.parametrize(
    ("bid", "read"), [("4.9", 4.9), ("n/a", None), ([4.9], None), (True, None), (10**30, None)]
)
def test_cell_of_the_wrong_type_costs_the_cell_and_not_the_row(bid: Any, read: Any) -> None:
    chain = decoded(with_options(CBOE_ROW | {"bid": bid})).chain("XYZ", SEPTEMBER, as_of=AS_OF)
    assert (len(chain), chain.rejected, chain.ask[0]) == (1, (), 5.1)
    assert chain.bid[0] == read if read else np.isnan(chain.bid[0])


def test_count_below_zero_is_missing() -> None:
    chain = decoded(with_options(CBOE_ROW | {"open_interest": -1.0}))
    assert np.isnan(chain.chain("XYZ", SEPTEMBER, as_of=AS_OF).open_interest[0])


def test_whole_level_beside_an_unreadable_row_is_read() -> None:
    body = with_options(CBOE_ROW, CBOE_ROW | {"option": 7, "bid": "odd"})
    body["data"]["current_price"] = 7500
    file = decoded(body)
    assert (file.spot, len(file.rejected)) == (7500, 1)


def test_recorded_sentinels_and_both_rows_stay() -> None:
    case = identity_cases("cboe_sentinels")
    body = {"data": {"current_price": 7500, "options": [*case["options"], {"option": 5}]}}
    file = decoded(body)
    chain = file.chain("SPX", date(2026, 7, 24), as_of=AS_OF)
    assert (file.spot, len(chain)) == (7500, case["expect"]["rows"])
    assert np.isnan(chain.greeks()[:, 1]).all()
    assert chain.open_interest[1] == case["expect"]["put"]["open_interest"]


@pytest.mark.parametrize(
    "body",
    ["", "null", "[]", "<html></html>", '{"data": {"options": [', '{"data": {"options": {}}}'],
)
def test_answer_that_is_none_raises(body: str) -> None:
    with pytest.raises(MalformedResponse):
        decoded(body)


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=24), st.just([])
)


@given(
    name=st.sampled_from(["option", "bid", "iv", "delta", "open_interest", "theta"]),
    value=ANYTHING,
)
def test_damaged_field_loses_no_option(name: str, value: Any) -> None:
    file = decoded(with_options(CBOE_ROW | {name: value}, *cboe()["data"]["options"][1:]))
    read = len(file.rejected)
    for expiry in file.expiries():
        try:
            chain = file.chain("XYZ", expiry, as_of=AS_OF)
        except MalformedResponse:
            read += 1
            continue
        read += len(chain) + len(chain.rejected)
        assert not np.isinf(chain.greeks()).any()
    assert read == 3


def test_recorded_chain_is_read_whole_and_sums_to_the_files_own_numbers() -> None:
    path = recorded_chain("RUT_20230921.json")
    text = path.read_text()
    file = decoded(text)
    sent = json.loads(text)["data"]["options"]
    chains = [file.chain("RUT", expiry, as_of=AS_OF) for expiry in file.expiries()]
    assert sum(map(len, chains)) == len(sent) == 6680
    assert file.rejected == ()
    assert [chain.rejected for chain in chains] == [()] * len(chains)
    for name in GREEKS:
        ours = sum(float(np.nansum(getattr(chain, name))) for chain in chains)
        theirs = sum(
            row[name] for row in sent if any(row[each] for each in ("iv", "gamma", "theta", "vega"))
        )
        assert ours == pytest.approx(theirs, abs=1e-6)
    interest = sum(float(chain.open_interest.sum()) for chain in chains)
    assert interest == sum(row["open_interest"] for row in sent)
    assert {key[:-15] for chain in chains for key in chain.keys} == {"RUT", "RUTW"}
    # The file is of the evening of the 20th, whose options are still in it.
    assert chains[0].expiry == date(2023, 9, 20)


def test_recorded_market_serves_a_file_that_reads_as_the_recording() -> None:
    market = Market.from_chain_file(recorded_chain("RUT_20230921.json"))
    served = decoded(CboeServer(market).file("RUT").decode())
    file = decoded(recorded_chain("RUT_20230921.json").read_text())
    expiry = file.expiries()[3]
    ours = served.chain("RUT", expiry, as_of=AS_OF)
    theirs = file.chain("RUT", expiry, as_of=AS_OF)
    assert ours.keys == theirs.keys
    for name in ("bid", "ask", "delta", "gamma", "vega"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)


def test_simulated_file_has_the_fields_and_types_of_the_recorded_one(sandbox: Sandbox) -> None:
    theirs = json.loads(recorded_chain("RUT_20230921.json").read_text())
    ours = httpx.get(f"{sandbox.url('cboe')}/delayed_quotes/options/_VIX.json").json()
    assert ours.keys() == theirs.keys()
    assert ours["data"].keys() == theirs["data"].keys()
    here, there = ours["data"]["options"][0], theirs["data"]["options"][0]
    assert here.keys() == there.keys()
    for name, value in there.items():
        if value is not None and here[name] is not None:
            assert isinstance(here[name], float) == isinstance(value, float), name


def test_simulated_chains_are_read_over_the_wire(sandbox: Sandbox) -> None:
    source = CboeProvider(CboeClient(sandbox.url("cboe"), refresh_seconds=60.0))
    listing = source.fetch_listing("NVDA")
    chains = [source.fetch_chain("NVDA", each.expiry) for each in listing.expiries[:3]]
    for chain in chains:
        contracts = sandbox.market.chain("NVDA", chain.expiry)
        assert chain.strike.tolist() == [float(each.strike or 0) for each in contracts]
        assert chain.rejected == ()
    assert source.calls == 1
    later = chains[-1]
    at_the_money = int(np.abs(later.strike - (later.spot or 0)).argmin())
    assert 0.3 < later.delta[at_the_money] < 0.7
    for unknown in ("NIFTY", "NONE"):
        with pytest.raises(PermanentError):
            source.fetch_listing(unknown)
    source.close()


def test_simulated_file_is_made_anew_every_quarter_of_a_minute() -> None:
    market = Market.simulated(seed=7, start=datetime(2026, 11, 18, 16, 0, tzinfo=UTC))
    store = CboeServer(market)
    first = store.file("VIX")
    market.step(14)
    assert store.file("VIX") is first
    market.step(1)
    later = store.file("VIX")
    assert later != first
    file = decoded(later.decode())
    assert file.as_of == datetime(2026, 11, 18, 16, 0, 15, tzinfo=UTC)
