"""Logging in and out, lock-out, password, time zone, and what each leaves behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings

from auth_tokens.account_pages.time_zones import time_zone_names, time_zone_of
from auth_tokens.account_pages.writing import choose_time_zone
from auth_tokens.models import AuditEvent, User
from auth_tokens.sessions.store import COPY_SECONDS, SessionStore
from config.core.clock import now
from config.core.errors import InvalidInput
from tests.announcements import Announcements, revocation_of
from tests.factories import PASSWORD, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.database]

LOGIN = "/accounts/login"
WRONG = "not-the-passphrase"


@pytest.fixture
def ann() -> User:
    return UserFactory(username="ann")


def log_in(client: Client, username: str = "ann", password: str = PASSWORD, **headers: str) -> int:
    return client.post(LOGIN, {"username": username, "password": password}, **headers).status_code  # type: ignore[arg-type]


def trail() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("event", flat=True))


# --- Logging in and out -----------------------------------------------------------------------
def test_log_in_with_the_right_password_opens_the_pages(client: Client, ann: User) -> None:
    assert client.get("/accounts/tokens").status_code == 302
    response = client.post(LOGIN, {"username": "ann", "password": PASSWORD})
    assert (response.status_code, response.headers["Location"]) == (302, "/")
    assert client.get("/accounts/tokens").status_code == 200


def test_log_in_leads_back_but_never_to_another_site(client: Client, ann: User) -> None:
    for target, lands in (("/accounts/tokens", "/accounts/tokens"), ("https://evil.test/", "/")):
        response = client.post(LOGIN, {"username": "ann", "password": PASSWORD, "next": target})
        assert response.headers["Location"] == lands


def test_refused_log_in_does_not_say_whether_the_name_exists(client: Client, ann: User) -> None:
    pages = []
    for username in ("ann", "nobody-at-all"):
        page = client.post(LOGIN, {"username": username, "password": WRONG}).text
        page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)
        page = re.sub(r"<code>\w{32}</code>", "", page)
        pages.append(page.replace(username, "?"))
    assert pages[0] == pages[1]


def test_inactive_user_cannot_log_in_and_an_open_session_ends(client: Client, ann: User) -> None:
    log_in(client)
    ann.is_active = False
    ann.save()
    assert client.get("/accounts/tokens").status_code == 302
    assert log_in(client) == 200
    assert client.get("/accounts/tokens").status_code == 302


def test_log_out_is_a_post_and_ends_the_session(
    client: Client, ann: User, announcements: Announcements,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    log_in(client)
    assert client.get("/accounts/logout").status_code == 405
    assert client.get("/accounts/tokens").status_code == 200
    key = client.session.session_key
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post("/accounts/logout").status_code == 302
    assert client.get("/accounts/tokens").status_code == 302
    assert SessionStore(key).load() == {}
    assert announcements.received() == revocation_of(ann.pk)


def test_forms_without_csrf_token_are_refused(ann: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert log_in(strict) == 403
    strict.force_login(ann)
    assert strict.post("/accounts/logout").status_code == 403
    assert strict.post("/accounts/tokens", {"name": "x", "scope": "read"}).status_code == 403


def test_trail_names_person_address_and_request(client: Client, ann: User) -> None:
    client.post(
        LOGIN,
        {"username": "ann", "password": PASSWORD},
        headers={"x-request-id": "request-0001"},
        REMOTE_ADDR="192.0.2.7",
    )
    client.post("/accounts/logout", REMOTE_ADDR="192.0.2.7")
    started, ended = AuditEvent.objects.filter(event__startswith="session").order_by("pk")
    assert (started.event, started.actor, started.subject) == ("session.started", ann, "ann")
    assert started.detail == {"address": "192.0.2.7"}
    assert started.request_id == "request-0001"
    assert (ended.event, ended.actor) == ("session.ended", ann)


def test_password_typed_as_user_name_is_not_written_down(client: Client, ann: User) -> None:
    log_in(client, username=PASSWORD, password="ann")
    assert PASSWORD not in str(list(AuditEvent.objects.values()))
    events = AuditEvent.objects.filter(event="session.refused")
    assert [event.subject for event in events] == ["unknown user"]


# --- Lock-out ---------------------------------------------------------------------------------
def lock_out(client: Client) -> list[int]:
    return [log_in(client, password=WRONG) for _ in range(settings.AXES_FAILURE_LIMIT)]


def test_repeated_failures_lock_out_even_the_right_password(client: Client, ann: User) -> None:
    assert lock_out(client) == [200] * (settings.AXES_FAILURE_LIMIT - 1) + [429]
    response = client.post(LOGIN, {"username": "ann", "password": PASSWORD})
    assert response.status_code == 429
    assert "15 minutes" in response.text
    assert client.get("/accounts/tokens").status_code == 302


def test_lock_out_ends_after_the_cool_off(client: Client, ann: User) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        lock_out(client)
        clock.shift(timedelta(minutes=14))
        assert log_in(client) == 429
        clock.shift(timedelta(minutes=16))
        assert log_in(client) == 302


def test_lock_out_hits_neither_other_people_nor_other_addresses(client: Client, ann: User) -> None:
    UserFactory(username="bob")
    lock_out(client)
    assert log_in(client, username="bob") == 302
    assert log_in(Client(), REMOTE_ADDR="192.0.2.8") == 302


def test_success_before_the_limit_forgets_the_failures(client: Client, ann: User) -> None:
    for _ in range(3):
        for _ in range(settings.AXES_FAILURE_LIMIT - 1):
            assert log_in(client, password=WRONG) == 200
        assert log_in(client) == 302


def test_lock_out_is_written_once_and_its_tries_not_at_all(client: Client, ann: User) -> None:
    lock_out(client)
    for _ in range(3):
        log_in(client)
    refused = ["session.refused"] * (settings.AXES_FAILURE_LIMIT - 1)
    assert [e for e in trail() if e.startswith("session")] == [*refused, "session.locked_out"]
    assert AuditEvent.objects.get(event="session.locked_out").subject == "ann"


def test_lock_out_holds_without_redis(client: Client, ann: User, settings: Settings) -> None:
    dead = "unix:///nowhere/valkey.sock?db=0"
    settings.REDIS_URL = dead
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": dead}}
    assert lock_out(client)[-1] == 429
    assert log_in(client) == 429
    assert log_in(Client(), REMOTE_ADDR="192.0.2.9") == 302


def test_no_password_is_kept_of_failed_log_ins(client: Client, ann: User) -> None:
    log_in(client, password=WRONG)
    attempt = AccessAttempt.objects.get()
    assert WRONG not in f"{attempt.get_data}{attempt.post_data}{attempt.path_info}"


# --- Session copies ---------------------------------------------------------------------------
def test_cached_session_lives_for_a_minute_at_most(client: Client, ann: User) -> None:
    log_in(client)
    store = SessionStore(client.session.session_key)
    assert 0 < store._cache.ttl(store.cache_key) <= COPY_SECONDS
    assert store.get_expiry_age() > COPY_SECONDS


def test_session_is_good_when_the_cache_is_gone(
    client: Client, ann: User, settings: Settings
) -> None:
    log_in(client)
    settings.CACHES = {
        "default": settings.CACHES["default"] | {"LOCATION": "unix:///nowhere/x.sock?db=0"}
    }
    assert client.get("/accounts/tokens").status_code == 200


# --- Password ---------------------------------------------------------------------------------
def test_new_password_ends_other_sessions_and_keeps_this_one(
    client: Client, ann: User, announcements: Announcements,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    other = Client()
    log_in(client)
    log_in(other)
    new = "quite-another-passphrase"
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(
            "/accounts/password",
            {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
        )
    assert response.status_code == 302
    assert client.get("/accounts/password").status_code == 200
    assert other.get("/accounts/password").status_code == 302
    assert (log_in(Client()), log_in(Client(), password=new)) == (200, 302)
    event = AuditEvent.objects.get(event="user.password_changed")
    assert (event.actor, event.subject, event.detail) == (ann, "ann", {})
    assert announcements.received() == revocation_of(ann.pk)


def test_weak_or_wrong_password_changes_nothing(client: Client, ann: User) -> None:
    log_in(client)
    for old, new in ((WRONG, "quite-another-passphrase"), (PASSWORD, "12345678")):
        form = {"old_password": old, "new_password1": new, "new_password2": new}
        assert client.post("/accounts/password", form).status_code == 200
    assert log_in(Client()) == 302


# --- Permission changes -----------------------------------------------------------------------
@pytest.mark.parametrize("field", ["is_active", "is_staff", "is_superuser"])
def test_change_of_privilege_is_recorded_and_announced(
    ann: User, field: str, announcements: Announcements,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    setattr(ann, field, not getattr(ann, field))
    with django_capture_on_commit_callbacks(execute=True):
        ann.save()
    event = AuditEvent.objects.get(event="user.access_changed")
    assert (event.subject, event.detail) == ("ann", {field: getattr(ann, field)})
    assert announcements.received() == revocation_of(ann.pk)


def test_ordinary_change_is_neither_recorded_nor_announced(
    ann: User, announcements: Announcements,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    before = trail()
    ann.email = "ann@example.test"
    with django_capture_on_commit_callbacks(execute=True):
        ann.save()
    assert trail() == before
    assert announcements.received() == []


def test_groups_and_permissions_are_recorded_from_either_side(
    ann: User, announcements: Announcements,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    group = Group.objects.create(name="desk")
    permission = Permission.objects.get(codename="view_account")
    heard = revocation_of(ann.pk)
    changes: tuple[Callable[[], None], ...] = (
        lambda: ann.groups.add(group),
        lambda: ann.groups.clear(),
        lambda: group.user_set.add(ann),
        lambda: group.permissions.add(permission),
        lambda: permission.group_set.clear(),
        lambda: group.user_set.clear(),
        lambda: ann.user_permissions.add(permission),
        lambda: permission.user_set.remove(ann),
    )
    for change in changes:
        with django_capture_on_commit_callbacks(execute=True):
            change()
        assert announcements.received() == heard
    recorded = AuditEvent.objects.exclude(event="user.created").order_by("pk")
    assert [(e.event, e.subject, e.detail["action"]) for e in recorded] == [
        ("user.access_changed", "ann", "add"),
        ("user.access_changed", "ann", "clear"),
        ("user.access_changed", "ann", "add"),
        ("group.permissions_changed", "desk", "add"),
        ("group.permissions_changed", "desk", "clear"),
        ("user.access_changed", "ann", "clear"),
        ("user.access_changed", "ann", "add"),
        ("user.access_changed", "ann", "remove"),
    ]


def test_rolled_back_change_is_not_announced(ann: User, announcements: Announcements) -> None:
    ann.is_staff = True
    ann.save()  # the test's transaction never commits
    assert announcements.received() == []


# --- Time zone --------------------------------------------------------------------------------
def test_times_are_shown_in_the_chosen_zone(client: Client, ann: User) -> None:
    with time_machine.travel("2026-11-20T16:00:00Z", tick=False):
        log_in(client)
        assert "2026-11-20 16:00" in client.get("/accounts/time-zone").text
        chosen = client.post("/accounts/time-zone", {"time_zone": "Asia/Kolkata"})
        assert chosen.status_code == 302
        page = client.get("/accounts/time-zone").text
    assert "2026-11-20 21:30" in page
    assert "Asia/Kolkata" in page
    assert timezone.get_current_timezone_name() == "UTC"


def test_zone_of_one_person_does_not_reach_the_next_request(client: Client, ann: User) -> None:
    choose_time_zone(user=ann, time_zone="Asia/Tokyo")
    log_in(client)
    bob = Client()
    bob.force_login(UserFactory(username="bob"))
    zones = [
        who.get("/accounts/time-zone").context["zone"]
        for who in (client, bob, client, Client())
        if who.get("/accounts/time-zone").status_code == 200
    ]
    assert zones == ["Asia/Tokyo", "UTC", "Asia/Tokyo"]


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "EST5EDT", "utc", "x" * 500])
def test_unknown_zone_is_refused(client: Client, ann: User, name: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        choose_time_zone(user=ann, time_zone=name)
    assert list(raised.value.fields) == ["time_zone"]
    log_in(client)
    assert client.post("/accounts/time-zone", {"time_zone": name}).status_code == 400
    ann.refresh_from_db()
    assert ann.time_zone == ""


def test_zone_that_the_machine_no_longer_knows_is_shown_as_utc(client: Client, ann: User) -> None:
    User.objects.filter(pk=ann.pk).update(time_zone="Atlantis/Capital")
    log_in(client)
    assert client.get("/accounts/time-zone").status_code == 200
    assert time_zone_of("Atlantis/Capital").key == "UTC"


def test_every_zone_on_offer_can_be_used() -> None:
    names = time_zone_names()
    assert {"UTC", "America/New_York", "Asia/Kolkata", "Europe/Zurich"} <= set(names)
    assert [name for name in names if time_zone_of(name).key != name] == []


def test_api_answers_in_utc_whatever_the_person_chose(client: Client, ann: User) -> None:
    choose_time_zone(user=ann, time_zone="Asia/Tokyo")
    log_in(client)
    assert "+09:00" not in client.get("/api/portfolio/risk-monitor/fast").text


def test_answers_for_everyone_do_not_depend_on_a_session(client: Client) -> None:
    assert "Cookie" not in client.get("/health").headers.get("Vary", "")
