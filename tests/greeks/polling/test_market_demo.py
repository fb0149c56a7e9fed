from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from config.core.errors import Conflict
from greeks.chains import SUMMED_GREEKS
from greeks.market.demo import prepare_market
from greeks.models import GreekSnapshot, PolledInstrument
from greeks.polling.defaults import seed_polled_instruments
from greeks.polling.poll import poll_chain
from greeks.polling.sessions import session_for
from tests.greeks.sandbox.chains import cboe

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
#: A Saturday night, 23:30 in Kolkata: the session is the simulated one since 09:15.
NIGHT = datetime(2026, 11, 28, 18, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def demo(settings: Any, tmp_path: Any) -> None:
    settings.DEMO = settings.MARKET_ALWAYS_OPEN = True
    settings.UPSTOX_ANALYTICS_TOKEN = "simulated-analytics-token"
    settings.VAR_DIR = tmp_path
    # One session and its predecessor are 1725 minutes of each chain: one will do here.
    seed_polled_instruments()
    PolledInstrument.objects.filter(slug="nifty-bank").delete()


@pytest.fixture
def at_night() -> Any:
    with time_machine.travel(NIGHT, tick=False):
        yield


@pytest.fixture
def no_yesterday(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the session that is on: the one before is looked at once."""
    monkeypatch.setattr("greeks.market.demo.session_on_date", lambda *_: None)


def minutes(**by: Any) -> list[GreekSnapshot]:
    return list(GreekSnapshot.objects.filter(**by).order_by("minute"))


def closing(row: GreekSnapshot, column: str) -> float:
    """Return one of the sixty columns, which are named by rule."""
    return float(getattr(row, column))


def test_past_of_both_sessions_is_there_and_labelled(at_night: None) -> None:
    prepare_market(seed=1, chain="")

    instrument = PolledInstrument.objects.get()
    session = session_for(instrument, NIGHT)
    assert session is not None
    assert session.kind == "simulated"
    assert session.opens_at == datetime(2026, 11, 28, 3, 45, tzinfo=UTC)
    rows = minutes()
    # From yesterday's opening to the last minute that is over.
    assert [rows[0].minute, rows[-1].minute] == [
        session.opens_at - timedelta(days=1), NIGHT.replace(second=0) - MINUTE,
    ]  # fmt: skip
    assert Counter(row.session_date.isoformat() for row in rows) == {
        "2026-11-27": 1440, "2026-11-28": 855,
    }  # fmt: skip
    assert {(row.simulated, row.source, row.samples_seen) for row in rows} == {
        (True, "simulated", 1)
    }
    assert {row.expiry.isoformat() for row in rows} == {"2026-12-01"}
    vega = [closing(row, "total_vega_close") for row in rows]
    assert min(vega) > 0
    assert len(set(vega)) > 1000
    assert all(0.05 < (row.atm_implied_volatility or 0) < 0.5 for row in rows)
    assert all(row.max_pain and row.pcr for row in rows)


def test_preparing_again_adds_what_is_missing_only(at_night: None, no_yesterday: None) -> None:
    prepare_market(seed=1, chain="")
    GreekSnapshot.objects.filter(minute__gte=NIGHT - 3 * MINUTE).delete()
    kept = {row.pk for row in minutes()}
    prepare_market(seed=1, chain="")

    assert kept < {row.pk for row in minutes()}
    assert len(minutes()) == len(kept) + 2


def test_another_market_begins_afresh(at_night: None, no_yesterday: None) -> None:
    prepare_market(seed=1, chain="")
    before = minutes()[-1].spot
    prepare_market(seed=2, chain="")

    assert len({row.minute for row in minutes()}) == len(minutes()) == 855
    assert minutes()[-1].spot != before


def test_outside_of_the_demo_nothing_is_made_up(settings: Any) -> None:
    settings.DEMO = False
    with pytest.raises(Conflict):
        prepare_market(seed=1, chain="")

    assert minutes() == []


def test_past_goes_over_into_what_the_simulated_provider_is_polled_for(
    sandbox: Any, settings: Any, no_yesterday: None
) -> None:
    """The same market through Upstox's protocol gives the sums that the past ends with."""
    settings.UPSTOX_URL = sandbox.url("upstox")
    with time_machine.travel(NIGHT, tick=False):
        prepare_market(seed=sandbox.market.seed, chain="")
        last = minutes()[-1]
    slot = last.minute + timedelta(seconds=55)
    with time_machine.travel(slot, tick=False):
        sample = poll_chain(slug="nifty-50", expiry=last.expiry, slot=slot).sample

    assert sample is not None
    assert sample.sums.contracts == last.contracts
    assert sample.sums.contracts_without_greeks == last.contracts_without_greeks
    assert sample.sums.contracts_filled == last.contracts_filled
    # What is deep in the money our model fills from rounded quotes, and its theta is bounded; the
    # past has the exact derivatives.
    ours = [closing(last, f"total_{greek}_close") for greek in SUMMED_GREEKS]
    assert sample.sums.everything[2].tolist() == pytest.approx(ours, rel=3e-3)
    delta, gamma, theta, vega = (closing(last, f"vendor_total_{greek}") for greek in SUMMED_GREEKS)
    assert sample.sums.vendor[2][[0, 2, 3]].tolist() == [delta, theta, vega]
    # The poll gives the gammas back the digits that the vendor rounded off.
    assert sample.sums.vendor[2][1] == pytest.approx(gamma, rel=2e-3)
    assert (sample.sums.max_pain, sample.sums.pcr) == (last.max_pain, last.pcr)
    assert sample.sums.atm_implied_volatility == pytest.approx(
        last.atm_implied_volatility, abs=1e-4
    )


def test_recorded_market_polls_what_it_holds_and_nothing_else(
    settings: Any, tmp_path: Any, no_yesterday: None
) -> None:
    chain = tmp_path / "chain.json"
    chain.write_text(json.dumps(cboe()))
    settings.MARKET_CLOCK = "2026-08-14T20:00:00+00:00"
    prepare_market(seed=1, chain=str(chain))

    # Nifty 50 is not in the recording, which is Cboe's.
    polled = PolledInstrument.objects.get(enabled=True)
    assert (polled.provider, polled.exchange, polled.simulated) == ("cboe", "NYSE", True)
    assert polled.instrument_key == polled.underlying
    assert {each["lot_size"] for each in polled.listed_expiries} == {100}
    assert minutes() == []

    settings.MARKET_CLOCK = ""
    with time_machine.travel(NIGHT.replace(hour=3, minute=50), tick=False):
        prepare_market(seed=1, chain="")
    assert PolledInstrument.objects.get(enabled=True).slug == "nifty-50"
