from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from config.core.errors import RetryableError
from greeks.models import GreekSnapshot, PolledInstrument
from tests.greeks.conftest import Desk
from tests.greeks.scripted import LATER, OPENS, ScriptedProvider

pytestmark = pytest.mark.django_db
AT = OPENS + timedelta(minutes=10, seconds=27)


@pytest.fixture(autouse=True)
def in_session(desk: Desk) -> Any:
    desk.clock.at = AT
    with time_machine.travel(AT, tick=False):
        yield


def said(*arguments: Any, **options: Any) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def test_poll_says_what_came() -> None:
    text = said("poll_chain", "nifty-50")

    assert text.startswith("nifty-50 2026-12-01 09:25:25: sampled, 80 contracts")


def test_poll_of_all_instruments_by_json() -> None:
    (line,) = said("poll_chain", json=True).splitlines()

    poll = json.loads(line)
    assert (poll["outcome"], poll["contracts"], poll["error"]) == ("sampled", 80, None)
    assert set(poll["sums"]) == {"delta", "gamma", "theta", "vega"}


def test_poll_of_a_named_expiry(provider: ScriptedProvider) -> None:
    said("poll_chain", "nifty-50", "--expiry", LATER.isoformat())

    assert provider.asked == [("NSE_INDEX|Nifty 50", LATER)]


def test_poll_lists_the_expiries_of_a_new_instrument_first() -> None:
    PolledInstrument.objects.update(listed_expiries=[], listed_as_of=None)

    assert "sampled" in said("poll_chain", "nifty-50")
    assert len(PolledInstrument.objects.get().listed_expiries) == 2


def test_failed_poll_says_why_and_fails(provider: ScriptedProvider) -> None:
    provider.error = RetryableError("no answer in time", provider="scripted")
    out = StringIO()

    with pytest.raises(CommandError, match="1 of 1 chains"):
        call_command("poll_chain", "nifty-50", stdout=out)

    assert "failed. no answer in time" in out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("nowhere",), "slug: .*Polled: nifty-50"),
        (("nifty-50", "--expiry", "tomorrow"), "--expiry: 'tomorrow' is not a date"),
        (("--expiry", "2026-12-01"), "--expiry: name its instrument too"),
    ],
)
def test_impossible_poll_is_refused_by_name(arguments: tuple[str, ...], named: str) -> None:
    with pytest.raises(CommandError, match=named):
        said("poll_chain", *arguments)


def test_nothing_to_poll_is_a_failure(provider: ScriptedProvider) -> None:
    provider.expiries = ()
    PolledInstrument.objects.update(listed_expiries=[], listed_as_of=AT)

    with pytest.raises(CommandError, match="no unexpired expiry is listed"):
        said("poll_chain", "nifty-50")


def test_rebuild_says_what_it_did(desk: Desk) -> None:
    desk.poll_minute(OPENS)
    desk.poll_minute(OPENS + timedelta(minutes=2))

    text = said("roll_up_minutes", "nifty-50", "--from", "09:15", "--to", "09:18")

    assert text == (
        "3 minutes: 2 built from their samples, 1 marked as gaps, 0 left as they are.\n"
    )
    assert [row.samples_seen for row in GreekSnapshot.objects.order_by("minute")] == [12, 0, 12]


def test_rebuild_by_json_ends_now_where_no_end_is_named(desk: Desk) -> None:
    desk.poll_minute(OPENS)

    lines = said("roll_up_minutes", "nifty-50", "--from", "2026-11-27T09:15", json=True)

    minutes = [json.loads(line) for line in lines.splitlines()]
    assert len(minutes) == 10
    assert minutes[0] == {
        "slug": "nifty-50",
        "expiry": "2026-12-01",
        "minute": OPENS.isoformat(),
        "samples_held": 12,
        "samples_expected": 12,
        "written": True,
    }


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("nowhere", "--from", "09:15"), "nowhere"),
        (("nifty-50", "--from", "breakfast"), "--from: 'breakfast' is not a time"),
        (("nifty-50", "--from", "09:15", "--to", "lunch"), "--to: 'lunch' is not a time"),
        (("nifty-50", "--from", "09:18", "--to", "09:16"), "--to: a time after"),
        (("nifty-50", "--from", "12:00"), "--to: a time after"),
        (("nifty-50", "--from", "12:00", "--to", "12:30"), "--from: a minute that is over"),
        (("nifty-50", "--from", "2026-11-27T02:00", "--to", "2026-11-27T03:00"), "--from: a time"),
        (("nifty-50", "--from", "09:15", "--expiry", "soon"), "--expiry: 'soon' is not a date"),
    ],
)
def test_impossible_range_is_refused_by_name(arguments: tuple[str, ...], named: str) -> None:
    with pytest.raises(CommandError, match=named):
        said("roll_up_minutes", *arguments)


def test_rebuild_without_redis_changes_nothing(settings: Any, tmp_path: Any) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock?db=0"

    with pytest.raises(CommandError, match="Redis does not answer"):
        said("roll_up_minutes", "nifty-50", "--from", "09:15")

    assert not GreekSnapshot.objects.exists()
