"""An access token with its end, and bounded tries when the log-in is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from config.core.clock import now
from config.core.errors import (
    ForbiddenError,
    MalformedResponse,
    PermanentError,
    ProviderError,
    RetryableError,
    UnauthorisedError,
)
from portfolio.brokers.tastytrade.token_source import log_in

_secrets = map("secret-{}".format, count())


class TokenServer:
    """Answers log-ins in place of the HTTP caller; ``answer`` may raise."""

    def __init__(self, answer: Callable[[int], Any] | None = None) -> None:
        self._answer = answer or granted
        self.log_ins = 0

    def request_json(self, method: str, path: str, *, json: Any = None, retry: bool = True) -> Any:
        assert (method, path, retry) == ("POST", "/oauth/token", False)
        assert json["grant_type"] == "refresh_token"
        self.log_ins += 1
        return self._answer(self.log_ins)


def granted(number: int) -> dict[str, Any]:
    return {"access_token": f"token-{number}", "expires_in": 900, "token_type": "Bearer"}


def refused(error: ProviderError) -> Callable[[int], Any]:
    def answer(number: int) -> Any:
        raise error

    return answer


def credentials() -> dict[str, str]:
    """New ones: refusals are counted by credentials."""
    return {"client_secret": next(_secrets), "refresh_token": "refresh"}


def seconds_of(answer: dict[str, Any]) -> float:
    """For how long the token of a log-in is used."""
    before = now()
    obtained = log_in(TokenServer(lambda _: answer), **credentials())
    assert obtained.expires_at is not None
    return round((obtained.expires_at - before).total_seconds())


def test_token_and_it_is_used_until_a_minute_before_it_expires() -> None:
    server = TokenServer()
    assert log_in(server, **credentials()).text == "token-1"
    assert server.log_ins == 1
    assert seconds_of(granted(1)) == 840


@pytest.mark.parametrize("lifetime", [None, "soon", True, -5, 0, float("nan")])
def test_lifetime_that_is_none_and_the_documented_one_is_used(lifetime: Any) -> None:
    assert seconds_of(granted(1) | {"expires_in": lifetime}) == 840


def test_very_short_lifetime_and_the_token_is_still_used() -> None:
    assert seconds_of(granted(1) | {"expires_in": 30}) == 15


@pytest.mark.parametrize(
    "error",
    [
        UnauthorisedError("401", provider="tastytrade"),
        PermanentError("400 Grant revoked", provider="tastytrade"),
        ForbiddenError("403", provider="tastytrade"),
    ],
)
def test_three_refused_log_ins_and_no_fourth_is_sent(error: ProviderError) -> None:
    server = TokenServer(refused(error))
    known = credentials()
    for _ in range(6):
        with pytest.raises(UnauthorisedError):
            log_in(server, **known)
    assert server.log_ins == 3


def test_three_refused_log_ins_and_other_callers_with_the_credentials_wait_too() -> None:
    server = TokenServer(refused(PermanentError("400 Grant revoked", provider="tastytrade")))
    known = credentials()
    for _ in range(3):
        with pytest.raises(UnauthorisedError, match="Grant revoked"):
            log_in(server, **known)
    elsewhere = TokenServer()
    with pytest.raises(UnauthorisedError, match="15 minutes"):
        log_in(elsewhere, **known)
    assert elsewhere.log_ins == 0


def test_new_credentials_and_they_are_tried_at_once() -> None:
    server = TokenServer(refused(PermanentError("400", provider="tastytrade")))
    known = credentials()
    for _ in range(4):
        with pytest.raises(UnauthorisedError):
            log_in(server, **known)
    assert log_in(TokenServer(), **credentials()).text == "token-1"


def test_unreachable_log_in_and_it_is_no_refusal() -> None:
    server = TokenServer(refused(RetryableError("no answer", provider="tastytrade")))
    known = credentials()
    for _ in range(5):
        with pytest.raises(RetryableError):
            log_in(server, **known)
    assert server.log_ins == 5


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"access_token": ""}, {"access_token": "a\r\nb"}, {"access_token": 5}]
)
def test_log_in_without_a_usable_token_and_it_is_malformed(answer: Any) -> None:
    with pytest.raises(MalformedResponse):
        log_in(TokenServer({1: answer}.__getitem__), **credentials())


@pytest.mark.parametrize(("secret", "refresh"), [("", "refresh"), ("secret", "")])
def test_no_credentials_and_nothing_is_sent(secret: str, refresh: str) -> None:
    server = TokenServer()
    with pytest.raises(UnauthorisedError, match="not connected"):
        log_in(server, client_secret=secret, refresh_token=refresh)
    assert server.log_ins == 0


def test_errors_and_no_secret_is_in_them() -> None:
    server = TokenServer(refused(PermanentError("400", provider="tastytrade")))
    for _ in range(4):
        with pytest.raises(UnauthorisedError) as caught:
            log_in(server, client_secret="very-secret", refresh_token="very-secret-too")
        assert "secret-" not in str(caught.value)
        assert "very-secret" not in repr(caught.value)
