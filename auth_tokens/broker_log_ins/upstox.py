"""Upstox's log-in as a person does it: mobile number, one-time code, PIN; then the OAuth code.

The site is a single-page application: an element exists once its step has begun. An error message
is text that was not there before the button was pressed.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from auth_tokens.broker_log_ins.browser import HeadlessBrowser
from auth_tokens.broker_log_ins.totp import OneTimeCodes
from auth_tokens.broker_tokens.errors import (
    AccountLocked,
    CredentialsRefused,
    LogInBlocked,
    LogInTimedOut,
    MobileRefused,
    OneTimeCodeRefused,
    PageChanged,
    PinRefused,
    StateMismatch,
    TokenError,
)
from auth_tokens.broker_tokens.sources import Attempt
from config.core.redaction import redact_text, remember_secret

PROVIDER: Final = "upstox"
#: Seconds for an element of the next step to appear.
STEP_SECONDS: Final = 12.0
#: Limit for the whole log-in: after a minute a worker's message goes to another.
TOTAL_SECONDS: Final = 55.0
CODES_TYPED_AT_MOST: Final = 2
_LOOK_SECONDS: Final = 0.1

_BLOCKED: Final = re.compile(
    r"\berror 10\d\d\b|cloudflare|access denied|attention required|just a moment|captcha"
    r"|verify you are human|unusual traffic",
    re.IGNORECASE | re.ASCII,
)
#: The browser's own page for a site it cannot show.
_NO_PAGE: Final = re.compile(r"\bERR_[A-Z_]+\b")
_LOCKED: Final = re.compile(
    r"\blocked\b|too many|maximum (?:number of )?attempts|suspended|\bblocked\b", re.IGNORECASE
)
_REFUSED: Final = re.compile(
    r"invalid|incorrect|wrong|not registered|does ?n[o']t (?:match|exist)|not found|expired|failed",
    re.IGNORECASE,
)
_DIALOG_REFUSED: Final = re.compile(r"UDAPI\d+|check your 'client_id'", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class UpstoxLogInDetails:
    """What is typed, and for which app at Upstox."""

    dialog_url: str
    api_key: str
    redirect_uri: str
    mobile: str
    totp_secret: str
    pin: str


class UpstoxLogIn:
    """One log-in. Call ``authorisation_code`` once."""

    def __init__(
        self,
        details: UpstoxLogInDetails,
        *,
        browser: HeadlessBrowser,
        attempt: Attempt,
        codes: OneTimeCodes,
        step_seconds: float = STEP_SECONDS,
    ) -> None:
        self._details = details
        self._browser = browser
        self._attempt = attempt
        self._codes = codes
        self._step_seconds = step_seconds
        self._give_up_at = time.monotonic() + TOTAL_SECONDS
        for secret in (details.mobile, details.pin):
            remember_secret(secret)

    def authorisation_code(self) -> str:
        """Return the code that buys the token.

        Raises the errors of ``auth_tokens.broker_tokens.errors``, after saving a screenshot. Types
        at most one number, two codes and one PIN.
        """
        try:
            return self._log_in()
        except TokenError:
            picture = self._browser.picture(
                without=(self._details.mobile, self._details.pin, self._details.totp_secret)
            )
            if picture:
                self._attempt.keep_screenshot(picture)
            raise

    def _log_in(self) -> str:
        state = secrets.token_urlsafe(24)
        self._browser.open(self._dialog(state))
        self._await_first_step()
        self._attempt.spend_try()
        self._enter_mobile()
        self._enter_code()
        return self._code_of(self._enter_pin(), state)

    def _dialog(self, state: str) -> str:
        asked = {
            "response_type": "code",
            "client_id": self._details.api_key,
            "redirect_uri": self._details.redirect_uri,
            "state": state,
        }
        return f"{self._details.dialog_url}?{urlencode(asked)}"

    def _await_first_step(self) -> None:
        def answered() -> bool:
            text = self._browser.text()
            return self._browser.has("mobileNum") or bool(
                _BLOCKED.search(text) or _DIALOG_REFUSED.search(text) or _NO_PAGE.search(text)
            )

        if not self._wait(answered):
            raise self._changed("mobileNum")
        if self._browser.has("mobileNum"):
            return
        if self._is_blocked():
            raise LogInBlocked(
                "Upstox: a block page appeared before the log-in (see the screenshot).",
                provider=PROVIDER,
            )
        if no_page := _NO_PAGE.search(self._browser.text()):
            raise LogInTimedOut(
                f"Upstox: the log-in page does not answer ({no_page.group()}).", provider=PROVIDER
            )
        raise CredentialsRefused(
            "Upstox refused the app: check UPSTOX_API_KEY and UPSTOX_REDIRECT_URI.",
            provider=PROVIDER,
        )

    def _enter_mobile(self) -> None:
        said = self._submit("mobileNum", self._details.mobile, "getOtp", self._shows("otpNum"))
        if said is not None:
            raise self._refusal(said, MobileRefused, "the mobile number (UPSTOX_MOBILE)")

    def _enter_code(self) -> None:
        self._codes.set_clock_by(self._browser.site_date())
        said: str | None = ""
        for _ in range(CODES_TYPED_AT_MOST):
            code = self._codes.next_code()
            said = self._submit("otpNum", code, "continueBtn", self._shows("pinCode"))
            if said is None:
                return
            if _LOCKED.search(said):
                break
        raise self._refusal(
            said or "", OneTimeCodeRefused, "two one-time codes (UPSTOX_TOTP_SECRET)"
        )

    def _enter_pin(self) -> str:
        said = self._submit("pinCode", self._details.pin, "pinContinueBtn", self._is_redirected)
        if said is not None:
            raise self._refusal(said, PinRefused, "the PIN (UPSTOX_PIN)")
        return self._browser.address()

    def _code_of(self, address: str, state: str) -> str:
        given = {name: values[-1] for name, values in parse_qs(urlsplit(address).query).items()}
        remember_secret(given.get("code", ""))
        if not secrets.compare_digest(given.get("state", "").encode(), state.encode()):
            raise StateMismatch(
                "Upstox: the redirect has a different state than we sent.", provider=PROVIDER
            )
        if not given.get("code"):
            raise CredentialsRefused(
                "Upstox redirected without a code: the app was not authorised.", provider=PROVIDER
            )
        return given["code"]

    def _submit(
        self, field: str, text: str, button: str, went_on: Callable[[], bool]
    ) -> str | None:
        """Type and submit: ``None`` if the site went on, else its error message.

        A message that was there before may be from the last try: it counts if nothing else appears
        within half a step's time.
        """
        for element in (field, button):
            if not self._browser.has(element):
                raise self._changed(element)
        known = set(self._browser.text().splitlines())
        self._browser.type_into(field, text)
        self._browser.press(button)
        said = ""
        old_counts_at = time.monotonic() + self._step_seconds / 2

        def answered() -> bool:
            nonlocal said
            if went_on():
                return True
            with_old = time.monotonic() > old_counts_at
            said = " ".join(
                line
                for line in self._browser.text().splitlines()
                if (with_old or line not in known)
                and (_REFUSED.search(line) or _LOCKED.search(line))
            )
            return bool(said)

        if not self._wait(answered):
            if self._is_blocked():
                raise LogInBlocked(
                    "Upstox: a block page appeared during the log-in (see the screenshot).",
                    provider=PROVIDER,
                )
            raise LogInTimedOut(
                f"Upstox: nothing followed within {self._step_seconds:.0f} s of pressing {button}.",
                provider=PROVIDER,
            )
        return said or None

    def _wait(self, condition: Callable[[], bool]) -> bool:
        """Return whether the condition became true within a step's time.

        It keeps the lease meanwhile.
        """
        self._attempt.going_on()
        until = time.monotonic() + self._step_seconds
        while not condition():
            moment = time.monotonic()
            if moment > self._give_up_at:
                raise LogInTimedOut(
                    f"Upstox: the log-in took longer than {TOTAL_SECONDS:.0f} s.",
                    provider=PROVIDER,
                )
            if moment > until:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _shows(self, element_id: str) -> Callable[[], bool]:
        return lambda: self._browser.has(element_id)

    def _is_redirected(self) -> bool:
        ours, there = urlsplit(self._details.redirect_uri), urlsplit(self._browser.address())
        return (there.scheme, there.netloc, there.path.rstrip("/")) == (
            ours.scheme,
            ours.netloc,
            ours.path.rstrip("/"),
        )

    def _is_blocked(self) -> bool:
        return _BLOCKED.search(self._browser.text()) is not None

    def _changed(self, element: str) -> PageChanged:
        return PageChanged(
            f"Upstox: the log-in page has no element {element} (see the screenshot).",
            provider=PROVIDER,
        )

    def _refusal(self, said: str, kind: type[TokenError], what: str) -> TokenError:
        line = redact_text(said)[:120]
        if _LOCKED.search(said):
            return AccountLocked(f"Upstox has locked the account: {line}", provider=PROVIDER)
        return kind(f"Upstox refused {what}: {line}", provider=PROVIDER)
