"""Chains polled from the simulated Upstox: real adapter, real log-in, real protocol."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from fractions import Fraction
from typing import Any

import httpx
import pytest

from config.core.clock import market_now
from config.core.sandbox.server import Sandbox
from greeks.chains import SUMMED_GREEKS
from greeks.minutes.roll_up import roll_up_due
from greeks.models import GreekSnapshot, PolledInstrument
from greeks.polling.instruments import polled_expiries
from greeks.polling.listing import refresh_listing
from greeks.polling.poll import Outcome, Poll, poll_chain
from greeks.polling.states import chain_states
from tests.auth_tokens.upstox_site import CREDENTIALS, OPENS_AT
from tests.greeks.scripted import KEY, polled_instrument

pytestmark = pytest.mark.any_database

FIVE_SECONDS, MINUTE = timedelta(seconds=5), timedelta(minutes=1)


@pytest.fixture
def instrument(sandbox: Sandbox, settings: Any, db: None) -> PolledInstrument:
    """Nifty 50 at the sandbox, which trades at every hour."""
    settings.UPSTOX_URL = sandbox.url("upstox")
    settings.UPSTOX_ANALYTICS_TOKEN = "simulated-analytics-token"
    settings.MARKET_ALWAYS_OPEN = True
    polled_instrument(provider="upstox", simulated=True, listed_expiries=[], listed_as_of=None)
    return refresh_listing(slug="nifty-50")


def poll(instrument: PolledInstrument, slot: datetime) -> Poll:
    (expiry,) = polled_expiries(instrument, market_now())
    return poll_chain(slug=instrument.slug, expiry=expiry, slot=slot)


def this_minute() -> datetime:
    return market_now().replace(second=0, microsecond=0)


def served_rows(instrument: PolledInstrument, sandbox: Sandbox) -> list[dict[str, Any]]:
    """Return the chain as anybody would fetch it."""
    (expiry,) = polled_expiries(instrument, market_now())
    answer = httpx.get(
        f"{sandbox.url('upstox')}/v2/option/chain",
        params={"instrument_key": KEY, "expiry_date": expiry.isoformat()},
        headers={"Authorization": "Bearer simulated-analytics-token"},
    )
    assert answer.status_code == 200
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


GAMMA_ROUNDING = 0.00005


def test_sums_equal_an_independent_sum_over_the_served_chain_to_the_last_digit(
    instrument: PolledInstrument, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both fetch the same moment.
    moment = sandbox.market.seconds()
    monkeypatch.setattr(sandbox.market, "seconds", lambda: moment)

    done = poll(instrument, this_minute())
    rows = served_rows(instrument, sandbox)

    assert done.sample is not None
    both = ("call_options", "put_options")
    for number, names in enumerate((both[:1], both[1:], both)):
        greeks = [row[name]["option_greeks"] for row in rows for name in names]
        computed = [each for each in greeks if each["iv"] or each["vega"] or each["theta"]]
        for column, greek in enumerate(SUMMED_GREEKS):
            exact = sum((Fraction(each[greek]) for each in computed), Fraction(0))
            found = done.sample.sums.vendor[number, column]
            # Gammas come rounded to four places and get their digits back.
            most = GAMMA_ROUNDING * len(computed) if greek == "gamma" else 0.0
            assert abs(found - float(exact)) <= most
    counted = done.sample.sums
    assert counted.contracts == 2 * len(rows)
    assert counted.contracts_without_greeks == sum(
        row[name]["option_greeks"]["iv"] == 0 for row in rows for name in both
    )
    assert counted.contracts_filled == counted.contracts_without_greeks > 0
    assert counted.call_open_interest == sum(
        row["call_options"]["market_data"]["oi"] for row in rows
    )


def test_provider_that_fails_costs_its_samples_and_nothing_else(
    instrument: PolledInstrument, sandbox: Sandbox, settings: Any
) -> None:
    settings.PROVIDER_TIMEOUT_SECONDS = 1.0
    minute = this_minute() - 2 * MINUTE
    outcomes = [poll(instrument, minute).outcome]
    sandbox.faults.add(server="upstox", path="chain", status=500, times=None)
    outcomes.append(poll(instrument, minute + FIVE_SECONDS).outcome)
    (failing,) = chain_states()
    sandbox.faults.clear()
    sandbox.faults.add(server="upstox", path="chain", status=200, body="<html>", times=1)
    outcomes.append(poll(instrument, minute + 2 * FIVE_SECONDS).outcome)
    outcomes.append(poll(instrument, minute + 3 * FIVE_SECONDS).outcome)
    roll_up_due(at=minute + MINUTE)

    assert outcomes == [Outcome.SAMPLED, Outcome.FAILED, Outcome.FAILED, Outcome.SAMPLED]
    assert failing.record is not None
    assert (failing.record.outcome, failing.record.consecutive_failures) == (
        "provider_unreachable", 1,
    )  # fmt: skip
    row = GreekSnapshot.objects.get(minute=minute)
    assert (row.samples_seen, row.samples_expected, row.simulated) == (2, 12, True)


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_token_that_dies_in_session_is_renewed_without_losing_a_minute(
    instrument: PolledInstrument,
    sandbox: Sandbox,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The log-in is the real one: a browser, a one-time code, a PIN."""
    monkeypatch.setattr(OPENS_AT, time.min)
    for name, value in CREDENTIALS.items():
        setattr(settings, name, value)
    settings.PROVIDER_TIMEOUT_SECONDS = 5.0
    access = sandbox.applications["upstox"].state.access
    first = this_minute() - 4 * MINUTE
    slots = [first + number * FIVE_SECONDS for number in range(36)]

    outcomes = set()
    for number, slot in enumerate(slots):
        if number == 17:
            access.end_all_tokens()
        outcomes.add(poll(instrument, slot).outcome)
    roll_up_due(at=first + 3 * MINUTE)

    assert outcomes == {Outcome.SAMPLED}
    assert access.log_ins == 2
    rows = GreekSnapshot.objects.filter(minute__gte=first).order_by("minute")
    assert [row.samples_seen for row in rows] == [12, 12, 12]
