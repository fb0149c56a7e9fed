"""Chains as vendors really send them: text for numbers, two roots, gaps, sentinels, doubles."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from config.core.errors import PermanentError, Unavailable
from config.core.http.responses import Answer
from greeks.calendar.exchanges import NYSE
from greeks.gex.chains import fetching
from greeks.gex.chains.assembling import Assembled, Terms, assemble
from greeks.gex.chains.parts import part_of_chain
from greeks.gex.engine.definition import PERFILIEV, SETTLEMENT_INSTANT, Definition
from greeks.gex.engine.exposure import Summary, compute_exposure, summarise
from greeks.maths import black_scholes
from greeks.polling.fill import other_sides_volatility
from greeks.providers.cboe.quotes import QuoteFile, decode_file
from tests.greeks.gex.tiny import USUAL

pytestmark = pytest.mark.django_db

SPOT = 5000.0
STAMP = "2026-11-27 15:00:00"
AT = datetime(2026, 11, 27, 15, tzinfo=UTC)
SPX = Terms(underlying="SPX", currency="USD", exchange=NYSE, rate=0.0)
#: When a root's options of a day settle: SPX at the opening, SPXW at the close (13:00 on the 27th).
SETTLES = {
    ("SPX", "261218"): datetime(2026, 12, 18, 14, 30, tzinfo=UTC),
    ("SPXW", "261218"): datetime(2026, 12, 18, 21, tzinfo=UTC),
    ("SPXW", "261127"): datetime(2026, 11, 27, 18, tzinfo=UTC),
}
#: (root, expiry, side, strike, contracts, volatility)
BOOK = [
    ("SPX", "261218", "C", 5000.0, 10, 0.2),
    ("SPX", "261218", "P", 5000.0, 12, 0.3),
    ("SPXW", "261218", "C", 5000.0, 7, 0.25),
    ("SPXW", "261218", "P", 5000.0, 9, 0.35),
    ("SPXW", "261218", "C", 5100.0, 90, 0.18),
    ("SPXW", "261218", "P", 4900.0, 80, 0.22),
    ("SPXW", "261127", "C", 5000.0, 3, 0.4),
    ("SPXW", "261127", "P", 4995.0, 4, 0.4),
]


def name_of(row: tuple[Any, ...]) -> str:
    root, expiry, side, strike, *_ = row
    return f"{root}{expiry}{side}{int(strike * 1000):08d}"


def option(row: tuple[Any, ...], **changes: Any) -> dict[str, Any]:
    sent = {"option": name_of(row), "open_interest": row[4], "iv": row[5], "gamma": 0.0}
    return sent | changes


def file_of(options: list[dict[str, Any]], spot: Any = SPOT) -> bytes:
    data = {"options": options, "current_price": spot}
    return json.dumps({"timestamp": STAMP, "data": data}).encode()


def read(body: bytes) -> QuoteFile:
    return decode_file(Answer("cboe", "SPX", 200, {}, body))


def assembled(body: bytes) -> Assembled:
    file = read(body)
    return assemble(
        [part_of_chain(file.chain("SPX", day, as_of=AT)) for day in file.expiries()], SPX
    )


def summed(body: bytes, definition: Definition = SETTLEMENT_INSTANT) -> Summary:
    return summarise(compute_exposure(assembled(body).columns, definition, USUAL))


def gamma_of(row: tuple[Any, ...], volatility: float) -> float:
    """Black and Scholes by hand, without a rate."""
    years = (SETTLES[row[0], row[1]] - AT).total_seconds() / (365 * 86_400)
    deviation = volatility * math.sqrt(years)
    d1 = math.log(SPOT / row[3]) / deviation + deviation / 2
    return math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) / (SPOT * deviation)


def by_hand(rows: list[tuple[Any, ...]]) -> dict[str, dict[float, float]]:
    """Return the exposure of calls and of puts by strike."""
    found: dict[str, dict[float, float]] = {"C": {}, "P": {}}
    for row in rows:
        _, _, side, strike, contracts, volatility = row
        exposed = gamma_of(row, volatility) * contracts * 100 * SPOT * SPOT * 0.01
        found[side][strike] = found[side].get(strike, 0.0) + exposed
    return found


PLAIN = file_of([option(row) for row in BOOK])


def test_two_roots_of_a_strike_are_summed_each_at_its_own_settlement() -> None:
    found, expected = summed(PLAIN), by_hand(BOOK)
    assert found.call == pytest.approx(sum(expected["C"].values()), rel=1e-9)
    assert found.put == pytest.approx(-sum(expected["P"].values()), rel=1e-9)
    assert found.call_wall == max(expected["C"], key=expected["C"].__getitem__) == 5100.0
    assert found.put_wall == max(expected["P"], key=expected["P"].__getitem__) == 4900.0


def test_side_without_a_volatility_takes_that_of_its_own_root() -> None:
    strike = np.full(4, 5000.0)
    is_call = np.array([True, False, True, False])
    found = other_sides_volatility(strike, is_call, np.array([0.2, np.nan, np.nan, 0.4]))
    np.testing.assert_array_equal(found, [np.nan, 0.2, 0.4, np.nan])
    gaps = {1: 0.0, 2: 0.0}
    sent = [option(row, **({"iv": gaps[n]} if n in gaps else {})) for n, row in enumerate(BOOK)]
    filled = [(*row[:5], {1: 0.2, 2: 0.35}.get(n, row[5])) for n, row in enumerate(BOOK)]
    assert summed(file_of(sent)).call == pytest.approx(sum(by_hand(filled)["C"].values()), rel=1e-9)
    assert summed(file_of(sent)).put == pytest.approx(-sum(by_hand(filled)["P"].values()), rel=1e-9)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(
            lambda sent: [{name: str(value) for name, value in each.items()} for each in sent],
            id="numbers as text",
        ),
        pytest.param(
            lambda sent: [each | {"bid": 3.0, "ask": 2.0} for each in sent], id="crossed quotes"
        ),
        pytest.param(lambda sent: sent + sent, id="every row twice"),
        pytest.param(lambda sent: sent[::-1], id="backwards"),
        pytest.param(
            lambda sent: [
                *sent,
                option(("SPXW", "261120", "C", 5000.0, 10**6, 0.2)),
                option(("SPX", "261127", "P", 5000.0, 10**6, 0.2)),
            ],
            id="expired last week, and this morning",
        ),
        pytest.param(
            lambda sent: [
                *sent,
                option(("SPXW", "261218", "C", 5200.0, 0, 0.2)),
                option(("SPXW", "261218", "C", 5200.0, None, 0.2)),
                option(("SPXW", "261218", "P", 5200.0, "many", 0.2)),
                option(("SPXW", "261218", "C", 5250.0, -5, 0.2)),
                option(("SPXW", "261218", "P", 5250.0, 1e15, 0.2)),
            ],
            id="no open interest, or an impossible one",
        ),
        pytest.param(
            lambda sent: [
                *sent,
                {"option": "SPX"},
                {"option": None},
                {},
                option(("SPXW", "261332", "C", 5000.0, 9, 0.2)),
                option(("SPXW", "261218", "C", 0.0, 9, 0.2)),
            ],
            id="rows that name no contract",
        ),
        pytest.param(
            lambda sent: [*sent, option(("SPX1", "261218", "C", 5000.0, 10**6, 0.2))],
            id="an adjusted root",
        ),
        pytest.param(
            lambda sent: [
                *sent,
                option(("SPXW", "261218", "C", 5300.0, 10**6, 0.0), gamma=999.0, delta=0.5,
                       theta=-1.0, vega=1.0),
                option(("SPXW", "261218", "P", 5400.0, 10**6, -999.0), gamma=-999.0),
            ],
            id="sentinels for gamma and volatility",
        ),
    ],
)  # fmt: skip
def test_what_says_nothing_changes_no_number(changed: Any) -> None:
    found = summed(file_of(changed([option(row) for row in BOOK])))
    plain = summed(PLAIN)
    assert found.net == pytest.approx(plain.net, rel=1e-12)
    assert found.absolute == pytest.approx(plain.absolute, rel=1e-12)
    assert (found.call_wall, found.put_wall) == (plain.call_wall, plain.put_wall)
    assert found.zero_gamma.level == pytest.approx(plain.zero_gamma.level)


def test_missing_volatilities_are_those_that_quotes_imply() -> None:
    sent: list[Any] = []
    for row in BOOK:
        years = (SETTLES[row[0], row[1]] - AT).total_seconds() / (365 * 86_400)
        price = float(black_scholes.price(SPOT, row[3], years, 0.0, 0.0, 0.25, row[2] == "C"))
        sent.append(option(row, iv=0.0, bid=price - 0.05, ask=price + 0.05))
    at_quarter = [(*row[:5], 0.25) for row in BOOK]
    for definition in (SETTLEMENT_INSTANT, PERFILIEV):
        implied = summed(file_of(sent), definition)
        given = summed(file_of([option(row) for row in at_quarter]), definition)
        assert implied.net == pytest.approx(given.net, rel=1e-6)
        assert implied.zero_gamma.level == pytest.approx(given.zero_gamma.level, rel=1e-6)
    assert summed(file_of(sent)).call == pytest.approx(
        sum(by_hand(at_quarter)["C"].values()), rel=1e-6
    )


@pytest.mark.parametrize("spot", [None, 0.0, -1.0, "unknown", 1e15])
def test_chain_without_a_possible_spot_is_refused(spot: Any) -> None:
    with pytest.raises(Unavailable, match="no spot price"):
        summed(file_of([option(row) for row in BOOK], spot))


@pytest.mark.parametrize("spot", [None, 0.0, "unknown"])
def test_spot_that_is_missing_is_the_one_that_parity_gives(spot: Any) -> None:
    years = (SETTLES["SPXW", "261218"] - AT).total_seconds() / (365 * 86_400)
    sent: list[Any] = []
    for strike in (4900.0, 5000.0, 5100.0):
        for side in "CP":
            price = float(black_scholes.price(SPOT, strike, years, 0.0, 0.0, 0.25, side == "C"))
            row = ("SPXW", "261218", side, strike, 5 + len(sent), 0.25)
            sent.append(option(row, bid=price - 0.05, ask=price + 0.05))
    found, quoted = assembled(file_of(sent, spot)), assembled(file_of(sent))
    assert found.columns.spot == pytest.approx(SPOT, rel=1e-9)
    assert (found.spot_by_parity, quoted.spot_by_parity) == (True, False)
    assert summed(file_of(sent, spot)).net == pytest.approx(summed(file_of(sent)).net, rel=1e-6)
    # Two strikes do not say whether a quote is bad, and neither does a side alone.
    for few in (sent[:4], sent[::2]):
        with pytest.raises(Unavailable, match="no quotes that tell it"):
            assembled(file_of(few, spot))


@pytest.mark.parametrize("interest", [None, 0, "", -1])
def test_chain_without_any_open_interest_is_unknown_and_not_zero(interest: Any) -> None:
    sent = [option(row, open_interest=interest) for row in BOOK]
    with pytest.raises(Unavailable, match="open interest"):
        summed(file_of(sent))


def test_chain_without_volatility_gamma_and_quotes_is_unknown_and_not_zero() -> None:
    sent = [option(row, iv=0.0) for row in BOOK]
    with pytest.raises(Unavailable, match="a volatility or a gamma"):
        summed(file_of(sent))


def test_expiry_that_is_gone_at_the_provider_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = read(PLAIN)
    gone: set[date] = {date(2026, 11, 27)}

    class Provider:
        def fetch_listing(self, _symbol: str) -> Any:
            return type("Listing", (), {"expiries": [Day(day) for day in file.expiries()]})

        def fetch_chain(self, symbol: str, expiry: date) -> Any:
            if expiry in gone:
                raise PermanentError("No such expiry.", provider="scripted")
            return file.chain(symbol, expiry, as_of=AT)

    class Day:
        def __init__(self, expiry: date) -> None:
            self.expiry = expiry

    monkeypatch.setattr(fetching, "chain_provider", lambda _name: Provider())
    parts = fetching._provider_parts("scripted", "SPX")
    assert [part.expiry for part in parts] == [date(2026, 12, 18)]
    gone.add(date(2026, 12, 18))
    with pytest.raises(PermanentError, match="No such expiry"):
        fetching._provider_parts("scripted", "SPX")
