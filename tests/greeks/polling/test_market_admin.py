from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from auth_tokens.models import User
from greeks.models import GreekSnapshot, PolledInstrument
from tests.factories import PASSWORD
from tests.greeks.conftest import Desk
from tests.greeks.scripted import OPENS

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
ADD = "/admin/greeks/polledinstrument/add/"
GIVEN = {
    "slug": "nifty-it",
    "name": "Nifty IT",
    "instrument_key": "NSE_INDEX|Nifty IT",
    "provider": "upstox",
    "underlying": "NIFTYIT",
    "exchange": "NSE",
    "currency": "INR",
    "nearest_expiries": "1",
    "extra_expiries": '["2026-12-29", "2026-12-01"]',
    "poll_seconds": "10",
    "rate": "0.065",
    "enabled": "on",
    "position": "3",
}


@pytest.fixture
def admin(client: Client, settings: Any) -> Client:
    settings.UPSTOX_ANALYTICS_TOKEN = "an-analytics-token"
    user = User.objects.create_superuser("chief", password=PASSWORD)
    client.force_login(user)
    return client


def errors(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["adminform"].form.errors)


def test_instrument_is_added(admin: Client) -> None:
    answer = admin.post(ADD, GIVEN)

    assert answer.status_code == 302
    row = PolledInstrument.objects.get()
    assert (row.slug, row.poll_seconds, row.rate) == ("nifty-it", 10, 0.065)
    assert row.extra_expiries == ["2026-12-01", "2026-12-29"]


@pytest.mark.parametrize(
    ("field", "given", "said"),
    [
        ("provider", "nasdaq", "Not set up on this desk"),
        ("extra_expiries", '["soon"]', "Not an ISO date (2026-12-29): soon."),
        ("extra_expiries", '{"a": 1}', "A list of ISO dates"),
        ("rate", "6.5", "A fraction a year"),
        ("poll_seconds", "7", "Select a valid choice"),
        ("exchange", "LSE", "Select a valid choice"),
        ("nearest_expiries", "40", "less than or equal to 12"),
    ],
)
def test_impossible_value_is_refused_at_its_field(
    field: str, given: str, said: str, admin: Client
) -> None:
    answer = admin.post(ADD, GIVEN | {field: given})

    assert said in errors(answer)[field][0]
    assert not PolledInstrument.objects.exists()


def test_instrument_without_any_expiry_is_refused(admin: Client) -> None:
    answer = admin.post(ADD, GIVEN | {"nearest_expiries": "0", "extra_expiries": "[]"})

    assert "No expiry would be polled" in errors(answer)["nearest_expiries"][0]


def test_list_names_the_expiries_that_are_polled(
    admin: Client, instrument: PolledInstrument
) -> None:
    PolledInstrument.objects.update(
        listed_expiries=[{"expiry": "2099-12-01"}, {"expiry": "2099-12-08"}]
    )
    page = admin.get("/admin/greeks/polledinstrument/").content.decode()

    assert "2099-12-01" in page
    assert "2099-12-08" not in page


def test_minutes_can_be_looked_at_and_not_changed(admin: Client, desk: Desk) -> None:
    desk.poll_minute(OPENS, seconds=range(0, 60, 10))
    desk.roll_up(OPENS + timedelta(minutes=2))
    row, gap = GreekSnapshot.objects.order_by("minute")

    page = admin.get("/admin/greeks/greeksnapshot/").content.decode()
    assert "6 of 12" in page
    assert "0 of 12" in page
    assert admin.get(f"/admin/greeks/greeksnapshot/{row.pk}/change/").status_code == 200
    assert admin.get(f"/admin/greeks/greeksnapshot/{gap.pk}/delete/").status_code == 403
    assert admin.get("/admin/greeks/greeksnapshot/add/").status_code == 403
