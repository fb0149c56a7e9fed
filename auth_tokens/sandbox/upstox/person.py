"""The one person who can log in at the simulated Upstox, with a count of failed attempts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import pyotp

from config.core.clock import now

# Log-in of the demo and the tests. Opens nothing anywhere else.
MOBILE: Final = "9000000001"
TOTP_SECRET: Final = "SANDBOXGREEKDESKTOTPSECRET234567"  # noqa: S105
PIN: Final = "204816"
#: Wrong codes and PINs in a row before the account is locked until ``unlock``.
FAILURES_BEFORE_LOCK: Final = 5


class Refusal(Exception):
    """The log-in page's message for a wrong entry."""


@dataclass(slots=True)
class Person:
    """Checks entries and counts failures. Thread-safe.

    Accepts a one-time code of the current window or the one before (RFC 6238 §5.2 allows for
    delay). ``clock`` is the log-in server's own.
    """

    mobile: str = MOBILE
    totp_secret: str = TOTP_SECRET
    pin: str = PIN
    interval: int = 30
    clock: Callable[[], datetime] = now
    failures: int = 0
    codes_typed: int = 0
    pins_typed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_locked(self) -> bool:
        return self.failures >= FAILURES_BEFORE_LOCK

    def unlock(self) -> None:
        with self._lock:
            self.failures = self.codes_typed = self.pins_typed = 0

    def check_mobile(self, typed: str) -> None:
        """Raises ``Refusal``. An unknown number counts against nobody."""
        self._refuse_if_locked()
        if typed != self.mobile:
            raise Refusal("This mobile number is not registered with us.")

    def check_code(self, typed: str) -> None:
        with self._lock:
            self.codes_typed += 1
        code = pyotp.TOTP(self.totp_secret, interval=self.interval)
        seconds = int(self.clock().timestamp())
        valid = {code.at(seconds), code.at(seconds - self.interval)}
        self._count(typed in valid, "Invalid OTP. Please enter the correct OTP.")

    def check_pin(self, typed: str) -> None:
        with self._lock:
            self.pins_typed += 1
        self._count(typed == self.pin, "Invalid PIN. Please enter the correct PIN.")

    def _count(self, is_right: bool, refusal: str) -> None:
        self._refuse_if_locked()
        with self._lock:
            if is_right:
                return
            self.failures += 1
        self._refuse_if_locked()
        raise Refusal(refusal)

    def _refuse_if_locked(self) -> None:
        if self.is_locked:
            raise Refusal("Your account is locked after too many wrong attempts.")
