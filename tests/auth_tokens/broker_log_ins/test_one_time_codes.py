from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pyotp
import pytest

from auth_tokens.broker_log_ins.totp import OneTimeCodes

SECRET = "SANDBOXGREEKDESKTOTPSECRET234567"
START = datetime(2026, 11, 27, 3, 25, tzinfo=UTC)


class Clock:
    """A clock that moves only during waits."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def pause(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def codes(clock: Clock) -> OneTimeCodes:
    return OneTimeCodes(SECRET, pause=clock.pause, clock=clock)


def test_code_is_that_of_the_present_window() -> None:
    clock = Clock()
    assert codes(clock).next_code() == pyotp.TOTP(SECRET).at(START)
    assert clock.at == START


def test_code_about_to_end_is_not_used_but_the_next_one() -> None:
    clock = Clock()
    clock.at += timedelta(seconds=26)
    assert codes(clock).next_code() == pyotp.TOTP(SECRET).at(START + timedelta(seconds=30))
    assert timedelta(seconds=30) <= clock.at - START <= timedelta(seconds=31)


def test_each_window_is_used_once() -> None:
    clock = Clock()
    made = codes(clock)
    first, second = made.next_code(), made.next_code()
    assert first == pyotp.TOTP(SECRET).at(START)
    assert second == pyotp.TOTP(SECRET).at(START + timedelta(seconds=30))


@pytest.mark.parametrize("skew", [90, -90, 3600])
def test_code_is_made_for_the_time_of_the_site(skew: int) -> None:
    clock = Clock()
    there = START + timedelta(seconds=skew)
    made = codes(clock)
    made.set_clock_by(format_datetime(there, usegmt=True))
    assert made.next_code() == pyotp.TOTP(SECRET).at(there)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.6, 0.999])
def test_code_is_never_of_a_window_that_has_not_begun_at_the_site(fraction: float) -> None:
    clock = Clock()
    clock.at += timedelta(seconds=29 + fraction)
    made = codes(clock)
    made.set_clock_by(format_datetime(clock.at, usegmt=True))

    code = made.next_code()

    assert code == pyotp.TOTP(SECRET).at(clock.at)


@pytest.mark.parametrize(
    "header", ["", "yesterday", format_datetime(START + timedelta(days=2), usegmt=True)]
)
def test_date_that_is_none_or_absurd_is_not_believed(header: str) -> None:
    clock = Clock()
    made = codes(clock)
    made.set_clock_by(header)
    assert made.next_code() == pyotp.TOTP(SECRET).at(START)


def test_secret_with_blanks_and_small_letters_is_read_as_it_is_meant() -> None:
    clock = Clock()
    spaced = OneTimeCodes("sand boxg reek desk totp secr et23 4567", pause=clock.pause, clock=clock)
    assert spaced.next_code() == pyotp.TOTP(SECRET).at(START)


def test_secret_that_is_no_base32_is_refused() -> None:
    with pytest.raises(ValueError):
        OneTimeCodes("0189!", pause=Clock().pause)
