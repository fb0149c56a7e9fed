"""A change of the day ends with the session of its contract, though nothing is synced any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings

from portfolio.models import Account, Position, SyncRun
from portfolio.refresh.past_sessions import end_past_changes
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, option, position, stock

pytestmark = pytest.mark.django_db
#: A Thursday: Mumbai has closed, New York is open.
SYNCED = "2026-11-19T17:00:00+00:00"
INDIAN, AMERICAN, GERMAN = stock("INFY", currency="INR"), option(600), stock("SAP", currency="EUR")


def moved(settings: LazySettings, at: str) -> set[str]:
    settings.MARKET_CLOCK = at
    end_past_changes()
    return set(Position.objects.exclude(daily_change=0).values_list("currency", flat=True))


@pytest.mark.parametrize(
    ("account", "at", "expected"),
    [
        pytest.param({}, "2026-11-19T18:29", {"INR", "USD", "EUR"}, id="evening in Mumbai"),
        pytest.param({}, "2026-11-19T18:31", {"USD", "EUR"}, id="midnight in Mumbai"),
        pytest.param({}, "2026-11-20T04:59", {"USD", "EUR"}, id="evening in New York"),
        pytest.param({}, "2026-11-20T05:01", set(), id="midnight in New York"),
        pytest.param(
            {"time_zone": "Asia/Kolkata"}, "2026-11-19T18:31", {"USD"}, id="others as the account"
        ),
        pytest.param(
            {"simulated": True}, "2026-11-19T18:31", {"INR", "USD", "EUR"}, id="simulated"
        ),
        pytest.param({"simulated": True}, "2026-11-20T05:01", set(), id="simulated, next day"),
    ],
)
def test_change_ends_at_midnight_where_the_contract_trades(
    broker: FakeBroker,
    run_sync: Callable[[str], SyncRun],
    settings: LazySettings,
    account: dict[str, Any],
    at: str,
    expected: set[str],
) -> None:
    settings.MARKET_CLOCK = SYNCED
    synced = AccountFactory.create(**account)
    broker.positions = [position(each, 2) for each in (INDIAN, AMERICAN, GERMAN)]
    run_sync(synced.pk)
    before = Account.objects.get().book_version
    assert moved(settings, f"{at}:00+00:00") == expected
    ended = int(len(expected) < 3)
    assert Account.objects.get().book_version == before + ended
    # Once only.
    moved(settings, f"{at}:30+00:00")
    assert Account.objects.get().book_version == before + ended


def test_weekend_keeps_fridays_change_and_what_was_synced_in_the_session_its_own(
    broker: FakeBroker, run_sync: Callable[[str], SyncRun], settings: LazySettings
) -> None:
    settings.MARKET_CLOCK = "2026-11-20T17:00:00+00:00"
    account = AccountFactory.create()
    broker.positions = [position(AMERICAN, 2)]
    run_sync(account.pk)
    assert moved(settings, "2026-11-22T17:00:00+00:00") == {"USD"}
    assert moved(settings, "2026-11-23T05:01:00+00:00") == set()
    # Valued in the session from an old price and a fill of today: that is a change of today.
    Position.objects.update(daily_change=50, as_of="2026-11-23T05:00:30+00:00")
    assert moved(settings, "2026-11-23T05:01:30+00:00") == {"USD"}
