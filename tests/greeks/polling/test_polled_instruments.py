from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from config.core.errors import NotFound, PermanentError, RetryableError
from greeks.models import PolledInstrument
from greeks.polling.defaults import seed_polled_instruments
from greeks.polling.instruments import (
    enabled_instruments,
    instrument_by_slug,
    lot_size,
    poll_seconds,
    poll_seconds_by_slug,
    polled_expiries,
)
from greeks.polling.listing import claim_listing, listing_is_due, refresh_listing
from greeks.polling.sessions import (
    open_session,
    session_for,
    session_on_date,
)
from greeks.polling.terms import chain_expires_at, chain_is_american
from tests.greeks.scripted import (
    CLOSES,
    EXPIRES,
    EXPIRY,
    KEY,
    LATER,
    OPENS,
    ScriptedProvider,
    polled_instrument,
)

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
SATURDAY_NIGHT = datetime(2026, 11, 28, 18, 0, tzinfo=UTC)


def test_instruments_are_found_by_slug(instrument: PolledInstrument) -> None:
    assert instrument_by_slug("nifty-50") == instrument
    with pytest.raises(NotFound):
        instrument_by_slug("nothing")


def test_disabled_instruments_are_found_and_not_polled(instrument: PolledInstrument) -> None:
    PolledInstrument.objects.update(enabled=False)

    assert enabled_instruments() == ()
    assert instrument_by_slug("nifty-50") == instrument


def test_nearest_expiry_is_polled_until_it_expires(instrument: PolledInstrument) -> None:
    assert polled_expiries(instrument, OPENS) == (EXPIRY,)
    assert polled_expiries(instrument, EXPIRES - SECOND) == (EXPIRY,)
    assert polled_expiries(instrument, EXPIRES) == (LATER,)
    # Of a day as it begins: the chain that expires in it is still its nearest.
    assert polled_expiries(instrument, EXPIRY) == (EXPIRY,)


def test_extra_expiries_are_polled_beside_the_nearest() -> None:
    far = date(2026, 12, 29)
    instrument = polled_instrument(
        nearest_expiries=2, extra_expiries=[far.isoformat(), EXPIRY.isoformat(), "nonsense", 7]
    )

    assert polled_expiries(instrument, OPENS) == (EXPIRY, LATER, far)
    assert polled_expiries(instrument, EXPIRES) == (LATER, far)


def test_broken_listing_lists_nothing(instrument: PolledInstrument) -> None:
    instrument.listed_expiries = [{"expiry": None}, {}, "2026-12-01", {"expiry": "soon"}]

    assert polled_expiries(instrument, OPENS) == ()
    assert lot_size(instrument, EXPIRY) is None


def test_lot_size_is_what_was_listed(instrument: PolledInstrument) -> None:
    assert lot_size(instrument, EXPIRY) == 75
    assert lot_size(instrument, date(2027, 1, 1)) is None


def chains(count: int, **columns: Any) -> list[PolledInstrument]:
    return [
        polled_instrument(
            slug=f"index-{number}", instrument_key=f"key {number}", provider="upstox", **columns
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(("count", "seconds"), [(1, 5), (5, 5), (6, 10), (10, 10), (11, 15)])
def test_interval_is_stretched_until_all_chains_fit_the_budget(count: int, seconds: int) -> None:
    instruments = chains(count)

    assert set(poll_seconds_by_slug(instruments, OPENS).values()) == {seconds}
    # The vendor allows 2000 in half an hour.
    assert count * 1800 / seconds < 2000


def test_longer_intervals_are_kept_and_the_shortest_are_stretched_first() -> None:
    slow = chains(1, poll_seconds=60)
    fast = [
        polled_instrument(slug=f"fast-{n}", instrument_key=f"fast {n}", provider="upstox")
        for n in range(6)
    ]

    seconds = poll_seconds_by_slug([*slow, *fast], OPENS)

    assert seconds["index-0"] == 60
    assert {seconds[each.slug] for each in fast} == {10}
    assert poll_seconds(fast[0], OPENS) == 10


def test_more_chains_than_a_minute_can_hold_are_polled_every_minute() -> None:
    assert set(poll_seconds_by_slug(chains(70), OPENS).values()) == {60}


def test_other_providers_have_their_own_budgets(settings: Any) -> None:
    settings.POLYGON_CALLS_PER_MINUTE = 60
    cboe = polled_instrument(slug="spx", instrument_key="SPX", provider="cboe")
    polygon = polled_instrument(slug="spy", instrument_key="SPY", provider="polygon")
    ibkr = polled_instrument(slug="qqq", instrument_key="QQQ", provider="ibkr")
    unlimited = polled_instrument(provider="scripted")

    found = poll_seconds_by_slug([*chains(5), cboe, polygon, ibkr, unlimited], OPENS)

    assert (found["spx"], found["spy"], found["nifty-50"], found["index-0"]) == (30, 5, 5, 5)
    assert found["qqq"] == 60
    settings.POLYGON_CALLS_PER_MINUTE = 5
    assert poll_seconds_by_slug([polygon], OPENS) == {"spy": 60}


@pytest.mark.parametrize(
    ("underlying", "currency", "expiry", "instant", "american"),
    [
        ("NIFTY", "INR", date(2026, 12, 1), datetime(2026, 12, 1, 10, 0, tzinfo=UTC), False),
        # Both SPX and SPXW are in it: it ends with the latter's close.
        ("SPX", "USD", date(2026, 12, 18), datetime(2026, 12, 18, 21, 0, tzinfo=UTC), False),
        ("VIX", "USD", date(2026, 12, 16), datetime(2026, 12, 16, 14, 30, tzinfo=UTC), False),
        # New York closes at 13:00 on the day after Thanksgiving.
        ("SPY", "USD", date(2026, 11, 27), datetime(2026, 11, 27, 18, 0, tzinfo=UTC), True),
    ],
)
def test_chain_ends_with_its_last_contract(
    underlying: str, currency: str, expiry: date, instant: datetime, american: bool
) -> None:
    instrument = polled_instrument(underlying=underlying, currency=currency)

    assert chain_expires_at(instrument, expiry) == instant
    assert chain_is_american(instrument, expiry) is american


def test_session_of_the_exchange_is_followed(instrument: PolledInstrument) -> None:
    session = open_session(instrument, OPENS)
    assert session is not None
    assert (session.opens_at, session.closes_at) == (OPENS, CLOSES)
    assert open_session(instrument, OPENS - SECOND) is None
    assert open_session(instrument, CLOSES) is None
    assert session_for(instrument, SATURDAY_NIGHT) == session
    assert session_on_date(instrument, date(2026, 11, 28)) is None


def test_simulated_market_has_a_session_every_hour_of_the_week(settings: Any) -> None:
    settings.MARKET_ALWAYS_OPEN = True
    instrument = polled_instrument(simulated=True)

    session = open_session(instrument, SATURDAY_NIGHT)

    assert session is not None
    assert (session.kind, session.session_date) == ("simulated", date(2026, 11, 28))
    assert session.opens_at == datetime(2026, 11, 28, 3, 45, tzinfo=UTC)
    assert session.closes_at == datetime(2026, 11, 29, 3, 45, tzinfo=UTC)
    # Sessions follow one another without a gap.
    following = session_for(instrument, session.closes_at)
    assert following is not None
    assert following.opens_at == session.closes_at
    assert session_on_date(instrument, date(2026, 11, 28)) == session


def test_real_instrument_keeps_its_hours_beside_a_simulated_market(settings: Any) -> None:
    settings.MARKET_ALWAYS_OPEN = True

    assert open_session(polled_instrument(simulated=False), SATURDAY_NIGHT) is None


def test_listing_is_asked_for_hourly_in_session_and_shortly_before_it(
    instrument: PolledInstrument,
) -> None:
    instrument.listed_as_of = OPENS
    assert not listing_is_due(instrument, OPENS + timedelta(minutes=59))
    assert listing_is_due(instrument, OPENS + timedelta(minutes=61))
    assert not listing_is_due(instrument, CLOSES + timedelta(hours=3))
    next_opening = OPENS + timedelta(days=3)
    assert not listing_is_due(instrument, next_opening - timedelta(minutes=30))
    assert listing_is_due(instrument, next_opening - timedelta(minutes=10))


def test_listing_is_asked_for_when_its_nearest_has_expired(instrument: PolledInstrument) -> None:
    instrument.listed_expiries = [{"expiry": "2026-11-24"}]
    instrument.listed_as_of = OPENS

    assert listing_is_due(instrument, OPENS + SECOND)


def test_new_instrument_is_listed_at_any_hour(instrument: PolledInstrument) -> None:
    instrument.listed_as_of = None

    assert listing_is_due(instrument, SATURDAY_NIGHT)


def test_listing_is_asked_for_once_a_minute() -> None:
    assert [claim_listing("nifty-50"), claim_listing("nifty-50")] == [True, False]


def test_listing_is_stored_as_it_was_listed(
    instrument: PolledInstrument, provider: ScriptedProvider
) -> None:
    provider.expiries = (LATER, EXPIRY)

    refreshed = refresh_listing(slug="nifty-50")

    assert refreshed.listed_expiries == [
        {"expiry": "2026-12-01", "lot_size": 75, "is_weekly": True},
        {"expiry": "2026-12-08", "lot_size": 75, "is_weekly": True},
    ]


@pytest.mark.parametrize(
    "error",
    [RetryableError("no answer", provider="scripted"), PermanentError("no", provider="scripted")],
)
def test_last_good_listing_stays_where_the_provider_cannot_say(
    error: Exception, instrument: PolledInstrument, provider: ScriptedProvider
) -> None:
    provider.error = error
    with pytest.raises(type(error)):
        refresh_listing(slug="nifty-50")
    provider.error, provider.expiries = None, ()
    refresh_listing(slug="nifty-50")

    instrument.refresh_from_db()
    assert polled_expiries(instrument, OPENS) == (EXPIRY,)


def test_defaults_are_written_once_where_upstox_is_set_up(settings: Any) -> None:
    settings.UPSTOX_ANALYTICS_TOKEN = ""
    assert seed_polled_instruments() == 0

    settings.UPSTOX_ANALYTICS_TOKEN = "an-analytics-token"
    assert seed_polled_instruments() == 2
    PolledInstrument.objects.filter(slug="nifty-bank").delete()
    PolledInstrument.objects.update(name="Mine")
    assert seed_polled_instruments() == 0

    row = PolledInstrument.objects.get()
    assert (row.name, row.instrument_key, row.underlying) == ("Mine", KEY, "NIFTY")
    assert (row.rate, row.poll_seconds, row.simulated) == (0.065, 5, False)
