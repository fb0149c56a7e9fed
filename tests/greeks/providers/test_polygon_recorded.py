"""Every recorded answer of the vendor is read."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from greeks.domain import Contract
from greeks.instruments.occ import parse_occ
from greeks.providers.polygon.chains import as_chain_rows, results_of, ticker_of
from greeks.providers.polygon.snapshots import decode_snapshot
from greeks.providers.polygon.tickers import (
    option_ticker,
    parse_option_ticker,
)
from tests.greeks.providers.polygon_support import (
    UPDATED,
    decoded,
    nanoseconds,
    option,
    recorded,
    row,
)


def contract_of(ticker: str) -> Contract:
    parsed = parse_option_ticker(ticker)
    return option(
        float(parsed.strike), underlying=parsed.root, right=parsed.right, expiry=parsed.expiry
    )


@pytest.mark.parametrize(
    "name", ["v3__snapshot__options__AAPL", "v3__snapshot__options__AAPL__O_AAPL230616C00150000"]
)
def test_recorded_snapshot_and_every_kept_field_is_filled(name: str) -> None:
    answer = recorded(name)
    rows = answer["results"] if isinstance(answer["results"], list) else [answer["results"]]
    [sent] = rows
    contract = contract_of(sent["details"]["ticker"])

    snapshot = decoded(sent, contract)

    assert snapshot.quote is not None
    assert snapshot.greeks is not None
    unfilled = {
        field.name
        for value in (snapshot.quote, snapshot.greeks)
        for field in fields(value)
        if getattr(value, field.name) is None
    }
    # The vendor has no mark: the middle of bid and ask is taken.
    assert unfilled == {"mark"}
    assert snapshot.quote.price == Decimal("29.075")
    assert snapshot.quote.open_interest == 8133
    assert snapshot.greeks.delta == 0.6436614934293701
    assert snapshot.greeks.implied_volatility == 0.3570277203465058
    assert snapshot.greeks.underlying_price == 159.9606
    assert snapshot.greeks.as_of == datetime(2022, 4, 29, 17, 44, 23, 172073, UTC)


def test_recorded_rows_of_all_markets_and_the_option_among_them_is_read() -> None:
    rows = as_chain_rows(results_of(recorded("v3__snapshot"), what="snapshots"))
    [sent, stock] = rows
    assert stock["type"] == "stocks"
    contract = contract_of(sent["ticker"])

    snapshot = decode_snapshot(sent, contracts={sent["ticker"]: contract})

    assert snapshot.greeks is not None
    assert snapshot.quote is not None
    assert snapshot.greeks.vega == 0.7274811132998142
    assert (snapshot.quote.previous_close, snapshot.quote.volume) == (Decimal("6.71"), 67)
    # The row with an error is gone, and a stock is none of the options asked for.
    assert ticker_of(stock) is None


def test_recorded_index_levels_are_readable_as_the_underlyings_of_options() -> None:
    answer = recorded("v3__snapshot__indices_ticker.any_of_SPX_2CAPx_2CAPy")
    [level, *unknown] = results_of(answer, what="indices")
    contract = option(3800, underlying="SPX")
    asset = {"value": level["value"], "last_updated": nanoseconds(UPDATED)}

    snapshot = decoded(row(contract, underlying_asset=asset), contract)

    assert snapshot.greeks is not None
    assert snapshot.greeks.underlying_price == 3822.39
    assert [row["error"] for row in unknown] == ["NOT_FOUND", "NOT_ENTITLED"]


@pytest.mark.parametrize(
    "name",
    [
        "v3__reference__options__contracts",
        "v3__reference__options__contracts_cursor_*",
        "v3__reference__options__contracts__OEVRI240119C00002500",
    ],
)
def test_recorded_contracts_and_their_tickers_say_what_their_fields_say(name: str) -> None:
    results = recorded(name)["results"]
    rows = results if isinstance(results, list) else [results]
    assert rows
    for listed in rows:
        parsed = parse_option_ticker(listed["ticker"])
        assert parsed == parse_occ(parsed.occ)
        assert parsed.strike == Decimal(str(listed["strike_price"]))
        assert parsed.expiry == date.fromisoformat(listed["expiration_date"])
        assert parsed.right.value == listed["contract_type"][0].upper()
        assert option_ticker(contract_of(listed["ticker"])) == listed["ticker"]
