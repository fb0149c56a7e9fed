"""Nobody fills tables by failing to log in, and nobody locks others out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib.auth.hashers import get_hasher, make_password
from django.contrib.sessions.models import Session
from django.test import Client, RequestFactory

from auth_tokens import receivers
from auth_tokens.log_in import limits
from auth_tokens.log_in.forgetting import forget_old_log_ins
from auth_tokens.models import AuditEvent, User
from config.core.clock import now
from config.core.health import run_checks
from config.core.web.forwarded import untrusted_proxy
from config.settings import base
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.database]

LOG_IN = "/accounts/login"
PASSWORD = "a good one 47"
WRONG = "not the right one"


@pytest.fixture
def ann() -> User:
    user: User = UserFactory.create(username="ann", is_staff=True)
    user.set_password(PASSWORD)
    user.save()
    return user


def log_in(client: Client, name: str = "ann", password: str = PASSWORD, **more: str) -> int:
    form = {"username": name, "password": password}
    return client.post(LOG_IN, form, **more).status_code  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [151, 300, 900_000])
def test_long_names_are_refused_and_nothing_is_kept(length: int) -> None:
    answer = Client().post(LOG_IN, {"username": "e" * length, "password": WRONG})
    assert answer.status_code == 200
    assert b"at most 150 characters" in answer.content
    assert not AccessAttempt.objects.exists()
    assert not AuditEvent.objects.filter(event__startswith="session").exists()


def test_long_password_is_refused_before_it_is_hashed(ann: User) -> None:
    answer = Client().post(LOG_IN, {"username": "ann", "password": "x" * 900_000})
    assert answer.status_code == 200
    assert b"at most 4096 characters" in answer.content
    assert not AccessAttempt.objects.exists()


@pytest.mark.parametrize("state", ["absent", "known", "inactive", "without", "by another", "empty"])
def test_every_name_costs_one_hash(state: str, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the time of an answer would tell which names there are."""
    stored = {"without": make_password(None), "by another": "pbkdf2_sha256$1$a$b", "empty": ""}
    changes = {"password": stored.get(state, ann.password), "is_active": state != "inactive"}
    User.objects.filter(pk=ann.pk).update(**changes)
    hasher, hashed = type(get_hasher()), []
    encode: Any = hasher.encode

    def counted(*arguments: str) -> str:
        hashed.append(state)
        return encode(*arguments)

    monkeypatch.setattr(hasher, "encode", counted)
    assert log_in(Client(), "anna" if state == "absent" else "ann", WRONG) == 200
    assert len(hashed) == 1


def test_only_one_kind_of_hash_is_known() -> None:
    """Passwords of another kind would take another time."""
    assert len(base.PASSWORD_HASHERS) == 1


def test_known_device_is_not_locked_by_others_on_its_address(ann: User) -> None:
    known, stranger = Client(), Client()
    assert log_in(known) == 302
    known.post("/accounts/logout")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        log_in(stranger, password=WRONG)
    assert log_in(stranger) == 429
    assert log_in(known) == 302


def test_known_device_is_locked_by_its_own_failures_and_for_its_own_name_only(ann: User) -> None:
    UserFactory.create(username="bob")
    known = Client()
    log_in(known)
    known.post("/accounts/logout")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        log_in(known, password=WRONG)
    assert log_in(known) == 429
    # To everybody else's name it is a stranger.
    for _ in range(settings.AXES_FAILURE_LIMIT):
        log_in(Client(), "bob", WRONG)
    assert log_in(known, "bob", WRONG) == 429


def test_forged_device_is_a_stranger(ann: User) -> None:
    forged = Client()
    forged.cookies[settings.DEVICE_COOKIE_NAME] = "device:ann:signature"
    for _ in range(settings.AXES_FAILURE_LIMIT):
        log_in(Client(), password=WRONG)
    assert log_in(forged) == 429


def test_each_further_failure_doubles_the_wait(ann: User) -> None:
    client = Client()
    with time_machine.travel(now(), tick=False) as clock:
        for _ in range(settings.AXES_FAILURE_LIMIT):
            log_in(client, password=WRONG)
        for minutes in (15, 30, 60, 120, 240, 240):
            clock.shift(timedelta(minutes=minutes - 1))
            assert log_in(client) == 429
            clock.shift(timedelta(minutes=2))
            # One more try, and the name is locked again.
            assert log_in(client, password=WRONG) == 429


def test_addresses_of_one_ipv6_network_count_together(ann: User) -> None:
    for number in range(settings.AXES_FAILURE_LIMIT):
        log_in(Client(), password=WRONG, REMOTE_ADDR=f"2001:db8:0:7::{number}")
    assert log_in(Client(), REMOTE_ADDR="2001:db8:0:7:ffff::1") == 429
    assert log_in(Client(), REMOTE_ADDR="2001:db8:0:8::1") == 302


def test_cycling_names_fills_neither_attempts_nor_trail(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_NAMES", 10)
    monkeypatch.setattr(receivers, "MOST_REFUSALS_OF_ONE", 5)
    client = Client()
    for number in range(30):
        log_in(client, f"name {number}", WRONG)
    assert AccessAttempt.objects.count() == 10
    refused = AuditEvent.objects.filter(event="session.refused")
    assert refused.count() == 5
    assert AuditEvent.objects.filter(event="session.refusals_not_recorded").count() == 1
    assert log_in(Client(), REMOTE_ADDR="192.0.2.8") == 302


def test_tries_during_a_lock_out_keep_nothing(ann: User) -> None:
    client = Client()
    for _ in range(settings.AXES_FAILURE_LIMIT):
        log_in(client, password=WRONG)
    [before] = AccessAttempt.objects.values()
    for _ in range(20):
        log_in(client, password=WRONG)
    assert AccessAttempt.objects.values().get() == before


def test_old_rows_are_deleted_and_log_ins_keep_no_second_log(ann: User) -> None:
    client = Client()
    log_in(client, password=WRONG)
    log_in(client)
    log_in(Client(), "nobody", WRONG)
    assert not AccessLog.objects.exists()
    assert AccessAttempt.objects.exists()
    with time_machine.travel(now() + timedelta(days=settings.KEEP_AUDIT_DAYS + 1)):
        forget_old_log_ins()
    for rows in (AccessAttempt.objects, AuditEvent.objects, Session.objects):
        assert not rows.exists()


def test_forwarding_headers_of_an_unknown_proxy_are_said_loudly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert run_checks().checks["proxy"].status == "ok"
    Client().get(LOG_IN, headers={"X-Forwarded-For": "203.0.113.7"}, REMOTE_ADDR="172.18.0.1")
    check = run_checks().checks["proxy"]
    assert check.status == "degraded"
    assert "172.18.0.1" in check.detail
    assert any("proxy.not_trusted" in str(record.msg) for record in caplog.records)


@pytest.mark.parametrize(
    ("peer", "chain"),
    [("10.0.0.7", "10.0.0.7"), ("9.9.9.9", "10.0.0.1"), ("127.0.0.1", "")],
    ids=["trusted", "a stranger's invention", "none"],
)
def test_trusted_proxies_and_strangers_are_not_reported(
    rf: RequestFactory, peer: str, chain: str
) -> None:
    headers = {"X-Forwarded-For": chain} if chain else {}
    assert untrusted_proxy(rf.get("/", REMOTE_ADDR=peer, headers=headers)) == ""
