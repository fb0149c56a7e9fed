"""A whole recorded chain of Cboe, beside a plain loop over its rows; skipped without the file."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from config.core.http.responses import Answer
from greeks.calendar.exchanges import NYSE
from greeks.gex.chains.assembling import Assembled, Terms, assemble
from greeks.gex.chains.parts import part_of_chain
from greeks.gex.engine.definition import PERFILIEV, SETTLEMENT_INSTANT
from greeks.gex.engine.exposure import compute_exposure, summarise, zero_dte_share
from greeks.providers.cboe.quotes import decode_file
from tests.greeks.gex.tiny import USUAL

FILE = Path(__file__).parents[4] / "shared/fixtures/cboe/RUT_20230921.json"
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not FILE.exists(), reason="no recorded chain here"),
]


@pytest.fixture
def recorded() -> Assembled:
    file = decode_file(Answer("cboe", "RUT", 200, {}, FILE.read_bytes()))
    assert file.as_of is not None
    parts = [part_of_chain(file.chain("RUT", day, as_of=file.as_of)) for day in file.expiries()]
    terms = Terms(underlying="RUT", currency="USD", exchange=NYSE, rate=0.05)
    return assemble(parts, terms)


def test_walls_and_sums_are_those_of_the_vendor_s_gammas(recorded: Assembled) -> None:
    """The file is of Wednesday night in New York: that day's options have expired."""
    options = msgspec.json.decode(FILE.read_bytes())["data"]["options"]
    spot = recorded.columns.spot
    calls: dict[float, float] = {}
    puts: dict[float, float] = {}
    for option in options:
        name = option["option"]
        if name[-15:-9] <= "230920":
            continue
        side = calls if name[-9] == "C" else puts
        strike = int(name[-8:]) / 1000
        exposed = option["gamma"] * option["open_interest"] * 100 * spot * spot * 0.01
        side[strike] = side.get(strike, 0.0) + exposed
    found = summarise(compute_exposure(recorded.columns, PERFILIEV, USUAL))
    # Rows of the vendor without any gamma are filled by the model.
    assert found.call == pytest.approx(sum(calls.values()), rel=1e-3)
    assert found.put == pytest.approx(-sum(puts.values()), rel=1e-3)
    assert found.call_wall == max((s for s in calls if s >= spot), key=calls.__getitem__) == 1850.0
    assert found.put_wall == max((s for s in puts if s <= spot), key=puts.__getitem__) == 1800.0
    # The largest put strike stands above the spot.
    assert found.largest_put_strike == max(puts, key=puts.__getitem__) == 1850.0


def test_preset_s_zero_gamma_is_that_of_a_plain_loop(recorded: Assembled) -> None:
    options: list[dict[str, Any]] = msgspec.json.decode(FILE.read_bytes())["data"]["options"]
    today, spot = date(2023, 9, 20), recorded.columns.spot
    volatility = {each["option"]: each["iv"] for each in options}
    levels = np.linspace(0.8 * spot, 1.2 * spot, 60)
    total = np.zeros(60)
    for option in options:
        name, held = option["option"], option["open_interest"]
        end = date(2000 + int(name[-15:-13]), int(name[-13:-11]), int(name[-11:-9]))
        days = int(np.busday_count(today, end))
        other = name[:-9] + ("P" if name[-9] == "C" else "C") + name[-8:]
        own = volatility[name] or volatility.get(other, 0.0)
        if not (0.005 <= own <= 5.0) or not held or days <= 0:
            continue
        deviation = own * math.sqrt(days / 262)
        d1 = np.log(levels / (int(name[-8:]) / 1000)) / deviation + deviation / 2
        gamma = np.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) / (levels * deviation)
        total += (1 if name[-9] == "C" else -1) * gamma * held * 100 * levels**2 * 0.01
    (turn,) = np.flatnonzero(np.diff(np.sign(total)))
    step = levels[turn + 1] - levels[turn]
    expected = levels[turn] - total[turn] * step / (total[turn + 1] - total[turn])
    found = summarise(compute_exposure(recorded.columns, PERFILIEV, USUAL)).zero_gamma
    assert found.level == pytest.approx(expected, abs=0.01)


def test_model_with_carry_agrees_with_the_vendor_to_its_rounding(recorded: Assembled) -> None:
    model = compute_exposure(recorded.columns, SETTLEMENT_INSTANT, USUAL)
    vendor = summarise(compute_exposure(recorded.columns, PERFILIEV, USUAL))
    assert summarise(model).net == pytest.approx(vendor.net, rel=0.04)
    assert (summarise(model).call_wall, summarise(model).put_wall) == (1850.0, 1800.0)
    assert zero_dte_share(model) == 0.0
