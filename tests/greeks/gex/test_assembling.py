"""From chains of any provider to the engine's columns."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import msgspec
import numpy as np
import pytest

from config.core.errors import Unavailable
from greeks.calendar.exchanges import NSE, NYSE
from greeks.chains import OptionChain
from greeks.gex.chains.assembling import LEAST_YEARS, Assembled, Terms, assemble
from greeks.gex.chains.parts import part_of_body, part_of_chain
from greeks.gex.engine.definition import SETTLEMENT_INSTANT
from greeks.gex.engine.exposure import compute_exposure, summarise
from greeks.maths.aggregation import FilledGreeks, sum_chain
from greeks.models import PolledInstrument
from greeks.polling.latest_chain import chain_body
from greeks.polling.shapes import MarketChain
from tests.greeks.gex.tiny import AT, LATER, USUAL, chain

pytestmark = pytest.mark.django_db
US = Terms(underlying="XYZ", currency="USD", exchange=NYSE, rate=0.04)
INDIA = Terms(underlying="NIFTY", currency="INR", exchange=NSE, rate=0.065)
ROWS = [
    ("XYZ261218C00095000", 95.0, "C", 10.0, 0.2),
    ("XYZ261218P00095000", 95.0, "P", 20.0, 0.2),
    ("XYZ261218C00105000", 105.0, "C", 30.0, 0.2),
]


def assembled(*chains: OptionChain, terms: Terms = US) -> Assembled:
    return assemble([part_of_chain(each) for each in chains], terms)


def net(found: Assembled) -> float:
    return summarise(compute_exposure(found.columns, SETTLEMENT_INSTANT, USUAL)).net


def test_contracts_and_units_of_one_chain_give_one_number() -> None:
    counted = chain(ROWS)
    in_units = chain(
        ROWS, open_interest=counted.open_interest * 100.0, counts_contracts=False, source="upstox"
    )
    assert net(assembled(counted)) == net(assembled(in_units))
    assert assembled(counted).columns.units.tolist() == [1000.0, 2000.0, 3000.0]
    assert assembled(in_units).columns.units.tolist() == [1000.0, 2000.0, 3000.0]


def test_polled_body_and_provider_s_chain_give_one_number() -> None:
    sent = chain(ROWS)
    nothing = FilledGreeks.none(len(sent))
    row = PolledInstrument(slug="xyz", instrument_key="XYZ", exchange="NYSE")
    body = chain_body(row, sent, nothing, sum_chain(sent, nothing))
    polled = assemble([part_of_body(msgspec.json.decode(body, type=MarketChain))], US)
    assert net(polled) == net(assembled(sent))


def test_root_decides_between_the_opening_and_the_close() -> None:
    rows = [
        ("SPX261218C00095000", 95.0, "C", 10.0, 0.2),
        ("SPXW261218C00095000", 95.0, "C", 10.0, 0.2),
        ("O:SPX261218P00095000", 95.0, "P", 10.0, 0.2),
    ]
    found = assembled(chain(rows), terms=Terms(
        underlying="SPX", currency="USD", exchange=NYSE, rate=0.04
    ))  # fmt: skip
    opening = (datetime(2026, 12, 18, 14, 30, tzinfo=UTC) - AT).total_seconds()
    close = (datetime(2026, 12, 18, 21, 0, tzinfo=UTC) - AT).total_seconds()
    assert (found.columns.years * 365 * 86_400).tolist() == pytest.approx([opening, close, opening])


def test_last_minutes_count_fifteen_and_what_has_expired_is_left_out() -> None:
    late = datetime(2026, 12, 18, 20, 55, tzinfo=UTC)
    rows = [
        ("SPX261218C00095000", 95.0, "C", 10.0, 0.2),
        ("SPXW261218C00095000", 95.0, "C", 10.0, 0.2),
    ]
    found = assembled(chain(rows, as_of=late))
    assert found.columns.years.tolist() == [LEAST_YEARS]
    assert found.expired == 1
    assert found.columns.today == LATER
    assert found.columns.weekdays.tolist() == [0]


def test_indian_chain_ends_at_its_own_close_on_its_own_day() -> None:
    at = datetime(2026, 12, 17, 20, 0, tzinfo=UTC)  # half past one on the 18th in Mumbai
    rows = [("NSE_FO|1", 95.0, "C", 50.0, 0.2), ("NSE_FO|2", 95.0, "P", 50.0, 0.2)]
    found = assembled(chain(rows, as_of=at, counts_contracts=False), terms=INDIA)
    assert found.columns.today == LATER
    seconds = (datetime(2026, 12, 18, 10, 0, tzinfo=UTC) - at).total_seconds()
    assert found.columns.years * 365 * 86_400 == pytest.approx([seconds, seconds])
    assert found.columns.units.tolist() == [50.0, 50.0]
    assert found.open_interest_as_of == date(2026, 12, 18)


def test_us_open_interest_is_that_of_the_close_before_the_session() -> None:
    # The Friday after Thanksgiving: counted at Wednesday's close.
    assert assembled(chain(ROWS)).open_interest_as_of == date(2026, 11, 25)
    saturday = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    assert assembled(chain(ROWS, as_of=saturday)).open_interest_as_of == date(2026, 11, 25)


def test_other_side_s_volatility_stands_in_and_an_implausible_one_is_none() -> None:
    rows = [
        ("XYZ261218C00095000", 95.0, "C", 10.0, math.nan),
        ("XYZ261218P00095000", 95.0, "P", 20.0, 0.3),
        ("XYZ261218C00105000", 105.0, "C", 30.0, 40.0),
    ]
    assert assembled(chain(rows)).columns.volatility == pytest.approx(
        [0.3, 0.3, np.nan], nan_ok=True
    )


def test_adjusted_contract_and_unknown_open_interest_are_counted_and_left_out() -> None:
    rows = [
        *ROWS,
        ("XYZ1261218C00095000", 95.0, "C", 10.0, 0.2),
        ("XYZ261218P00105000", 105.0, "P", math.nan, 0.2),
        ("XYZ261218P00110000", 110.0, "P", 0.0, 0.2),
    ]
    found = assembled(chain(rows))
    assert (len(found.columns), found.adjusted, found.without_open_interest) == (3, 1, 1)


def test_parity_s_yield_carries_the_forward() -> None:
    rows = [(f"SPXW261218{side}00100000", 100.0, side, 10.0, 0.2) for side in "CP"]
    quotes = np.array([2.60, 2.40])
    found = assembled(
        chain(rows, bid=quotes - 0.05, ask=quotes + 0.05),
        terms=Terms(underlying="SPX", currency="USD", exchange=NYSE, rate=0.04),
    )
    years = float(found.columns.years[0])
    forward = 100.0 + 0.2 * math.exp(0.04 * years)
    assert found.columns.dividend_yield == pytest.approx(
        [0.04 - math.log(forward / 100) / years] * 2
    )


def test_chain_without_a_spot_is_refused() -> None:
    with pytest.raises(Unavailable, match="no spot"):
        assembled(chain(ROWS, spot=None))
