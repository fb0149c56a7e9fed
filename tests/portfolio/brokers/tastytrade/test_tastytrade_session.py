"""One access token for all threads, renewed in time, and bounded tries when it is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from config.core.errors import (
    ForbiddenError,
    MalformedResponse,
    PermanentError,
    ProviderError,
    RetryableError,
    UnauthorisedError,
)
from portfolio.brokers.tastytrade.session import TastytradeSession

_secrets = map("secret-{}".format, count())


class TokenServer:
    """Answers log-ins in place of the HTTP caller; ``answer`` may raise."""

    def __init__(self, answer: Callable[[int], Any] | None = None) -> None:
        self._answer = answer or granted
        self._lock = threading.Lock()
        self.log_ins = 0
        self.hold: threading.Event | None = None

    def request_json(
        self, method: str, path: str, *, json: Any = None, retry: bool | None = None
    ) -> Any:
        assert (method, path, retry) == ("POST", "/oauth/token", False)
        assert json["grant_type"] == "refresh_token"
        with self._lock:
            self.log_ins += 1
            number = self.log_ins
        if self.hold is not None:
            assert self.hold.wait(5)
        return self._answer(number)


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def granted(number: int) -> dict[str, Any]:
    return {"access_token": f"token-{number}", "expires_in": 900, "token_type": "Bearer"}


def refused(error: ProviderError) -> Callable[[int], Any]:
    def answer(number: int) -> Any:
        raise error

    return answer


def session_of(
    server: TokenServer,
    clock: Clock | None = None,
    *,
    client_secret: str | None = None,
    refresh_token: str = "refresh",  # noqa: S107
) -> TastytradeSession:
    return TastytradeSession(
        server,
        client_secret=next(_secrets) if client_secret is None else client_secret,
        refresh_token=refresh_token,
        clock=clock or Clock(),
    )


def token(session: TastytradeSession) -> str:
    return session.authorise()["Authorization"]


def test_many_requests_and_one_log_in() -> None:
    server = TokenServer()
    session = session_of(server)
    assert {token(session) for _ in range(5)} == {"Bearer token-1"}
    assert server.log_ins == 1


def test_token_about_to_run_out_and_it_is_renewed_a_minute_before() -> None:
    server, clock = TokenServer(), Clock()
    session = session_of(server, clock)
    token(session)
    clock.seconds += 839
    assert token(session) == "Bearer token-1"
    clock.seconds += 1
    assert token(session) == "Bearer token-2"


@pytest.mark.parametrize("lifetime", [None, "soon", True, -5, 0, float("nan")])
def test_lifetime_that_is_none_and_the_documented_one_is_used(lifetime: Any) -> None:
    server = TokenServer(lambda number: granted(number) | {"expires_in": lifetime})
    clock = Clock()
    session = session_of(server, clock)
    token(session)
    clock.seconds += 839
    token(session)
    assert server.log_ins == 1


def test_very_short_lifetime_and_the_token_is_still_used() -> None:
    server = TokenServer(lambda number: granted(number) | {"expires_in": 30})
    clock = Clock()
    session = session_of(server, clock)
    token(session)
    clock.seconds += 14
    assert token(session) == "Bearer token-1"


def test_renewal_and_the_next_request_carries_the_new_token() -> None:
    session = session_of(TokenServer())
    token(session)
    session.renew()
    assert token(session) == "Bearer token-2"


def test_fifty_threads_without_token_and_one_log_in() -> None:
    server = TokenServer()
    server.hold = threading.Event()
    session = session_of(server)
    with ThreadPoolExecutor(50) as threads:
        tokens = [threads.submit(token, session) for _ in range(50)]
        server.hold.set()
        assert {future.result() for future in tokens} == {"Bearer token-1"}
    assert server.log_ins == 1


def test_fifty_threads_refused_with_one_token_and_one_renewal() -> None:
    server = TokenServer()
    session = session_of(server)
    together = threading.Barrier(50)

    def refused_call() -> str:
        token(session)
        together.wait(5)
        session.renew()
        return token(session)

    with ThreadPoolExecutor(50) as threads:
        tokens = {f.result() for f in [threads.submit(refused_call) for _ in range(50)]}
    assert tokens == {"Bearer token-2"}
    assert server.log_ins == 2


class WatchedLock:
    """A lock that says when ``expected`` threads hold it or wait for it."""

    def __init__(self, expected: int) -> None:
        self._lock = threading.Lock()
        self._arriving = threading.Semaphore(0)
        self._expected = expected

    def __enter__(self) -> None:
        self._arriving.release()
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def wait_for_all(self) -> None:
        for _ in range(self._expected):
            assert self._arriving.acquire(timeout=5)


def test_threads_that_wait_for_a_failing_log_in_and_it_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = TokenServer(refused(RetryableError("no answer", provider="tastytrade")))
    server.hold = threading.Event()
    session = session_of(server)
    lock = WatchedLock(8)
    monkeypatch.setattr(session, "_lock", lock)
    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(token, session) for _ in range(8)]
        lock.wait_for_all()
        server.hold.set()
        errors = [future.exception() for future in futures]
    assert all(isinstance(error, RetryableError) for error in errors)
    assert server.log_ins == 1


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
    session = session_of(server)
    for _ in range(6):
        with pytest.raises(UnauthorisedError):
            token(session)
    assert server.log_ins == 3


def test_three_refused_log_ins_and_other_sessions_of_the_credentials_wait_too() -> None:
    server = TokenServer(refused(PermanentError("400 Grant revoked", provider="tastytrade")))
    session = session_of(server, client_secret="shared-and-refused")
    for _ in range(3):
        with pytest.raises(UnauthorisedError, match="Grant revoked"):
            token(session)
    elsewhere = TokenServer()
    with pytest.raises(UnauthorisedError, match="15 minutes"):
        token(session_of(elsewhere, client_secret="shared-and-refused"))
    assert elsewhere.log_ins == 0


def test_new_credentials_and_they_are_tried_at_once() -> None:
    server = TokenServer(refused(PermanentError("400", provider="tastytrade")))
    session = session_of(server)
    for _ in range(4):
        with pytest.raises(UnauthorisedError):
            token(session)
    assert token(session_of(TokenServer())) == "Bearer token-1"


def test_unreachable_log_in_and_it_is_no_refusal() -> None:
    server = TokenServer(refused(RetryableError("no answer", provider="tastytrade")))
    session = session_of(server)
    for _ in range(5):
        with pytest.raises(RetryableError):
            token(session)
    assert server.log_ins == 5


def test_refused_log_in_and_the_renewal_of_the_same_call_does_not_try_again() -> None:
    server = TokenServer(refused(UnauthorisedError("401", provider="tastytrade")))
    session = session_of(server)
    with pytest.raises(UnauthorisedError):
        token(session)
    with pytest.raises(UnauthorisedError):
        session.renew()
    assert server.log_ins == 1


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"access_token": ""}, {"access_token": "a\r\nb"}, {"access_token": 5}]
)
def test_log_in_without_a_usable_token_and_it_is_malformed(answer: Any) -> None:
    with pytest.raises(MalformedResponse):
        token(session_of(TokenServer({1: answer}.__getitem__)))


@pytest.mark.parametrize(("secret", "refresh"), [("", "refresh"), ("secret", "")])
def test_no_credentials_and_nothing_is_sent(secret: str, refresh: str) -> None:
    server = TokenServer()
    with pytest.raises(UnauthorisedError, match="not connected"):
        token(session_of(server, client_secret=secret, refresh_token=refresh))
    assert server.log_ins == 0


def test_errors_and_no_secret_is_in_them() -> None:
    server = TokenServer(refused(PermanentError("400", provider="tastytrade")))
    session = session_of(server, client_secret="very-secret", refresh_token="very-secret-too")
    for _ in range(4):
        with pytest.raises(UnauthorisedError) as caught:
            token(session)
        assert "secret-" not in str(caught.value)
        assert "very-secret" not in repr(caught.value)
