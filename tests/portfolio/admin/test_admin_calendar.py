"""Sessions of exchanges in the admin: edited, given back, closed, never deleted."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse

from auth_tokens.models import User
from greeks.calendar.sessions import session_on
from greeks.models import ExchangeSession
from tests.portfolio.admin.pages import change_url, list_url, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.database]
DAY = date(2031, 3, 10)


@pytest.fixture
def session() -> ExchangeSession:
    opens_at = datetime(2031, 3, 10, 13, 30, tzinfo=UTC)
    return ExchangeSession.objects.create(
        exchange="NYSE", session_date=DAY, opens_at=opens_at,
        closes_at=opens_at + timedelta(hours=6, minutes=30),
    )  # fmt: skip


def session_form(**changes: str) -> dict[str, str]:
    """Return the form of the session above: hours are by the exchange's clock."""
    return {
        "exchange": "NYSE", "session_date": "2031-03-10", "opens": "09:30", "closes": "16:00",
        "kind": "regular", "note": "",
    } | changes  # fmt: skip


def test_edited_session_is_marked_and_can_be_given_back(
    root: User, session: ExchangeSession
) -> None:
    client = signed_in(root)
    form = session_form(closes="13:00", kind="half_day")
    assert client.post(change_url(session), form).status_code == 302
    session.refresh_from_db()
    assert (session.edited, session.kind) == (True, "half_day")
    assert "09:30 EDT" in client.get(list_url(ExchangeSession) + "?q=").text
    assert client.post(change_url(session), form).status_code == 302
    session.refresh_from_db()
    assert session.edited is False


def test_saving_without_a_change_marks_nothing(root: User, session: ExchangeSession) -> None:
    assert signed_in(root).post(change_url(session), session_form()).status_code == 302
    session.refresh_from_db()
    assert session.edited is False


@pytest.mark.parametrize(
    "changes",
    [
        {"session_date": "2031-03-41"},
        {"exchange": "MOON"},
        {"closes": "09:00"},
        {"opens": ""},
    ],
)
def test_impossible_session_is_refused(
    root: User, session: ExchangeSession, changes: dict[str, str]
) -> None:
    response = signed_in(root).post(change_url(session), session_form(**changes))
    assert response.status_code == 200
    assert response.context["errors"]
    session.refresh_from_db()
    assert session.edited is False


def test_days_are_closed_by_action_and_not_deleted(root: User, session: ExchangeSession) -> None:
    client = signed_in(root)
    delete = reverse("admin:greeks_exchangesession_delete", args=[session.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    client.post(
        list_url(ExchangeSession), {"action": "close_days", "_selected_action": [session.pk]}
    )
    session.refresh_from_db()
    assert (session.kind, session.edited) == ("closed", True)
    assert session_on("NYSE", DAY) is None
    assert client.post(delete, {"post": "yes"}).status_code == 302
