"""A log-in with an authenticator app: set up, used, lost, guessed at, required of staff."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
import time_machine
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from auth_tokens.models import AuditEvent, SecondFactor, User
from auth_tokens.second_factor.codes import cleaned, new_recovery_codes, slot_of
from auth_tokens.second_factor.pending import LIFETIME
from auth_tokens.second_factor.writing import FREE_TRIES, LONGEST_WAIT
from tests.factories import PASSWORD, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.database, pytest.mark.any_database]

NOON = datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)
SLOT = timedelta(seconds=30)
LOG_IN, CODE, PAGE = "/accounts/login", "/accounts/login/code", "/accounts/second-factor"
SET_UP = f"{PAGE}/set-up"
INSIDE = "/accounts/tokens"


class Person:
    """Somebody with a browser and an authenticator app."""

    def __init__(self, clock: time_machine.Traveller, **user: Any) -> None:
        self.clock = clock
        self.browser = Client()
        self.user: User = UserFactory.create(username="ann", **user)
        self.secret = ""
        self.recovery_codes: list[str] = []

    def give_password(self, leads_to: str = INSIDE) -> Any:
        form = {"username": "ann", "password": PASSWORD, "next": leads_to}
        return self.browser.post(LOG_IN, form)

    def give_code(self, code: str) -> Any:
        return self.browser.post(CODE, {"code": code})

    def app(self) -> str:
        """Return what the app shows now."""
        return pyotp.TOTP(self.secret).now()

    def read_secret(self) -> None:
        page = self.browser.get(SET_UP).content.decode()
        found = re.search(r'class="key">([A-Z2-7 ]+)<', page)
        assert found
        assert "<svg" in page
        self.secret = found[1].replace(" ", "")

    def set_up(self) -> Any:
        self.read_secret()
        answer = self.browser.post(SET_UP, {"code": self.app()})
        self.recovery_codes = re.findall(r"<code>([A-Z2-7-]{19})</code>", answer.content.decode())
        self.clock.shift(SLOT)
        return answer

    def is_in(self) -> bool:
        return self.browser.get(INSIDE).status_code == 200


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def ann(clock: time_machine.Traveller) -> Person:
    """A trader who has switched it on, and is logged out."""
    person = Person(clock)
    person.give_password()
    person.set_up()
    person.browser.post("/accounts/logout")
    return person


def trail() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("event", flat=True))


def test_code_leads_to_any_address_of_this_site(ann: Person) -> None:
    ann.give_password(leads_to="no-page-is-called-so")
    assert ann.give_code(ann.app())["Location"] == "no-page-is-called-so"


def test_without_one_the_password_is_enough(clock: time_machine.Traveller) -> None:
    person = Person(clock)
    assert person.give_password()["Location"] == INSIDE
    assert person.is_in()
    assert b"Off: your password alone" in person.browser.get(PAGE).content


def test_code_is_asked_for_before_there_is_a_session(ann: Person) -> None:
    assert ann.give_password()["Location"] == CODE
    assert not ann.is_in()
    assert ann.give_code(ann.app())["Location"] == INSIDE
    assert ann.is_in()
    assert trail().count("session.started") == 2


def test_log_in_leads_to_no_other_site(ann: Person) -> None:
    ann.give_password(leads_to="https://evil.test/")
    assert ann.give_code(ann.app())["Location"] == "/"


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "000 000", "A" * 99])
def test_wrong_code_is_refused_in_words(ann: Person, typed: str) -> None:
    ann.give_password()
    answer = ann.give_code(typed)
    assert answer.status_code == 400
    assert b'class="notice notice-error"' in answer.content
    assert not ann.is_in()


@pytest.mark.parametrize("slots", [-1, 0, 1])
def test_code_of_a_clock_that_differs_is_taken(ann: Person, slots: int) -> None:
    ann.clock.shift(2 * SLOT)
    ann.give_password()
    code = pyotp.TOTP(ann.secret).at(datetime.now(UTC) + slots * SLOT)
    assert ann.give_code(code).status_code == 302


@pytest.mark.parametrize("slots", [-2, 2])
def test_code_of_another_minute_is_not(ann: Person, slots: int) -> None:
    ann.clock.shift(3 * SLOT)
    ann.give_password()
    code = pyotp.TOTP(ann.secret).at(datetime.now(UTC) + slots * SLOT)
    assert ann.give_code(code).status_code == 400


def test_code_is_good_once_and_so_are_the_earlier_ones(ann: Person) -> None:
    earlier = ann.app()
    ann.clock.shift(SLOT)
    used = ann.app()
    ann.give_password()
    ann.give_code(used)
    other = Client()
    other.post(LOG_IN, {"username": "ann", "password": PASSWORD})
    for code in (used, earlier):
        assert other.post(CODE, {"code": code}).status_code == 400
    ann.clock.shift(SLOT)
    assert other.post(CODE, {"code": ann.app()}).status_code == 302


def test_recovery_code_logs_in_once(ann: Person) -> None:
    assert len(set(ann.recovery_codes)) == 10
    typed = ann.recovery_codes[3].lower().replace("-", " ")
    ann.give_password()
    assert ann.give_code(typed).status_code == 302
    assert b"9 recovery codes left" in ann.browser.get(PAGE).content
    ann.browser.post("/accounts/logout")
    ann.give_password()
    assert ann.give_code(typed).status_code == 400
    assert "recovery_code.used" in trail()


def test_guessing_waits_longer_and_longer_in_every_browser(ann: Person) -> None:
    ann.give_password()
    for _ in range(FREE_TRIES):
        assert ann.give_code("000000").status_code == 400
    answer = ann.give_code(ann.app())
    assert b"Too many wrong codes. Try again in 15 s." in answer.content
    ann.clock.shift(timedelta(seconds=15))
    ann.give_code("000000")
    assert b"Try again in 30 s." in ann.give_code(ann.app()).content
    ann.clock.shift(timedelta(seconds=30))
    assert ann.give_code(ann.app()).status_code == 302
    assert SecondFactor.objects.get().failures == 0


def test_longest_wait_has_a_bound(ann: Person) -> None:
    SecondFactor.objects.update(failures=5_000)
    ann.give_password()
    ann.give_code("000000")
    assert SecondFactor.objects.get().next_try_at == datetime.now(UTC) + LONGEST_WAIT


def test_password_of_ten_minutes_ago_is_given_again(ann: Person) -> None:
    ann.give_password()
    ann.clock.shift(LIFETIME + timedelta(seconds=1))
    assert ann.give_code(ann.app())["Location"] == LOG_IN
    assert not ann.is_in()


def test_changed_password_ends_a_log_in_that_waits(ann: Person) -> None:
    ann.give_password()
    ann.user.refresh_from_db()
    ann.user.set_password("another good passphrase")
    ann.user.save()
    assert ann.give_code(ann.app())["Location"] == LOG_IN


def test_code_without_a_password_leads_to_the_log_in(ann: Person) -> None:
    assert ann.browser.get(CODE)["Location"] == LOG_IN
    assert ann.give_code(ann.app())["Location"] == LOG_IN
    assert ann.browser.get(SET_UP)["Location"] == LOG_IN


def test_switching_on_ends_the_other_sessions_and_keeps_this_one(
    clock: time_machine.Traveller,
) -> None:
    person, elsewhere = Person(clock), Client()
    elsewhere.post(LOG_IN, {"username": "ann", "password": PASSWORD})
    person.give_password()
    person.set_up()
    assert person.is_in()
    assert elsewhere.get(INSIDE).status_code == 302


def test_wrong_first_code_switches_nothing_on(clock: time_machine.Traveller) -> None:
    person = Person(clock)
    person.give_password()
    person.read_secret()
    shown = person.secret
    assert person.browser.post(SET_UP, {"code": "000000"}).status_code == 400
    person.read_secret()
    assert person.secret == shown
    person.browser.post("/accounts/logout")
    assert person.give_password()["Location"] == INSIDE


def test_new_recovery_codes_end_the_old_ones(ann: Person) -> None:
    ann.give_password()
    ann.give_code(ann.app())
    ann.clock.shift(SLOT)
    page = ann.browser.post(PAGE, {"code": ann.app()}).content.decode()
    made = re.findall(r"<code>([A-Z2-7-]{19})</code>", page)
    assert len(made) == 10
    assert not set(made) & set(ann.recovery_codes)
    ann.browser.post("/accounts/logout")
    ann.give_password()
    assert ann.give_code(ann.recovery_codes[0]).status_code == 400
    assert ann.give_code(made[0]).status_code == 302


def test_switching_off_needs_a_code(ann: Person) -> None:
    ann.give_password()
    ann.give_code(ann.app())
    assert ann.browser.post(PAGE, {"code": "000000", "remove": "1"}).status_code == 400
    ann.clock.shift(SLOT)
    assert ann.browser.post(PAGE, {"code": ann.app(), "remove": "1"})["Location"] == PAGE
    assert not SecondFactor.objects.exists()
    ann.browser.post("/accounts/logout")
    assert ann.give_password()["Location"] == INSIDE


# --- Staff ------------------------------------------------------------------------------------
@pytest.fixture
def required(settings: Settings) -> None:
    settings.STAFF_NEEDS_SECOND_FACTOR = True


@pytest.mark.usefixtures("required")
def test_staff_set_it_up_in_their_next_log_in(clock: time_machine.Traveller) -> None:
    person = Person(clock, is_staff=True)
    assert person.give_password()["Location"] == CODE
    assert person.browser.get(CODE)["Location"] == SET_UP
    assert not person.is_in()
    assert f'href="{INSIDE}"' in person.set_up().content.decode()
    assert person.is_in()
    answer = person.browser.post(PAGE, {"code": person.app(), "remove": "1"})
    assert b"Staff need a second factor" in answer.content
    assert SecondFactor.objects.exists()


@pytest.mark.usefixtures("required")
def test_traders_need_none_until_they_become_staff(clock: time_machine.Traveller) -> None:
    person = Person(clock)
    person.give_password()
    assert person.is_in()
    person.user.refresh_from_db()
    person.user.is_staff = True
    person.user.save()
    assert not person.is_in()
    assert person.give_password()["Location"] == CODE


def test_sessions_of_staff_end_when_the_desk_begins_to_require_it(
    clock: time_machine.Traveller, settings: Settings
) -> None:
    person = Person(clock, is_staff=True)
    person.give_password()
    assert person.is_in()
    settings.STAFF_NEEDS_SECOND_FACTOR = True
    assert not person.is_in()


@pytest.mark.usefixtures("required")
def test_admin_has_no_log_in_of_its_own(clock: time_machine.Traveller) -> None:
    person = Person(clock, is_staff=True, is_superuser=True)
    form = {"username": "ann", "password": PASSWORD}
    answer = person.browser.post("/admin/login/?next=/admin/", form)
    assert answer["Location"].startswith(LOG_IN)
    assert person.browser.get("/admin/").status_code == 302
    person.give_password("/admin/")
    person.set_up()
    assert person.browser.get("/admin/").status_code == 200


# --- Keys, losses -----------------------------------------------------------------------------
def test_secret_and_codes_are_stored_unreadable(ann: Person) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM second_factors")
        stored = json.dumps(cursor.fetchall(), default=str)
    assert ann.secret not in stored
    assert not [code for code in ann.recovery_codes if code in stored]
    told = json.dumps(list(AuditEvent.objects.values()), default=str)
    assert ann.secret not in told


def test_rotated_keys_keep_the_app_good(ann: Person, settings: Settings) -> None:
    old, new = settings.TOKEN_ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    settings.TOKEN_ENCRYPTION_KEYS = [new, old]
    call_command("rotate_token_keys")
    settings.TOKEN_ENCRYPTION_KEYS = [new]
    ann.give_password()
    assert ann.give_code(ann.app()).status_code == 302


def test_lost_key_leaves_the_recovery_codes(ann: Person, settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    ann.give_password()
    assert ann.give_code(ann.app()).status_code == 400
    assert ann.give_code(ann.recovery_codes[0]).status_code == 302


def test_operator_removes_what_was_lost(ann: Person) -> None:
    ann.give_password()
    ann.give_code(ann.app())
    call_command("remove_second_factor", "ann")
    assert not ann.is_in()
    assert ann.give_password()["Location"] == INSIDE
    assert "second_factor.removed" in trail()
    for name, reason in (("ann", "has no second factor"), ("nobody", "No such user: nobody")):
        with pytest.raises(CommandError, match=reason):
            call_command("remove_second_factor", name)


def test_codes_are_read_as_people_type_them() -> None:
    code = new_recovery_codes()[0]
    assert cleaned(code.replace("-", "").lower()) == code
    assert cleaned(" 123 456 ") == "123456"
    assert cleaned("12-34-56") == "123456"
    assert cleaned("12345") == ""


def test_published_codes_are_right() -> None:
    """RFC 6238, appendix B: the last six of its eight digits for SHA-1."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (2000000000, "279037")):
        at = datetime.fromtimestamp(seconds, UTC)
        assert slot_of(code, secret=secret, after=0, at=at) == seconds // 30
