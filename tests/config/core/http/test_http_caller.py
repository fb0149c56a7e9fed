from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import certifi
import httpx
import pytest

from config.core.clock import now
from config.core.errors import (
    CircuitOpen,
    ForbiddenError,
    MalformedResponse,
    PermanentError,
    RateLimitedError,
    RetryableError,
    UnauthorisedError,
)
from config.core.health import heartbeat_age
from config.core.http.breaker import BreakerState, CircuitBreaker
from config.core.http.budget import CallBudget
from config.core.http.caller import HttpCaller
from tests.config.core.servers import OwnValkey, Reply, ScriptedProvider, Seen

pytestmark = pytest.mark.usefixtures("own_valkey")

MakeCaller = Callable[..., HttpCaller]


@pytest.fixture
def make_caller(provider: ScriptedProvider) -> Iterator[MakeCaller]:
    callers: list[HttpCaller] = []

    def make(**options: Any) -> HttpCaller:
        caller = HttpCaller("broker", provider.url, **({"timeout": 1.0} | options))
        callers.append(caller)
        return caller

    yield make
    for caller in callers:
        caller.close()


# --- Answers ----------------------------------------------------------------------------------
def test_answer_is_the_decoded_body(provider: ScriptedProvider, make_caller: MakeCaller) -> None:
    provider.replies = [Reply.of({"positions": [1, 2.5, None]})]
    assert make_caller().request_json("GET", "/book") == {"positions": [1, 2.5, None]}


def test_request_carries_query_headers_and_body(
    provider: ScriptedProvider, make_caller: MakeCaller, settings: Any
) -> None:
    caller = make_caller(headers={"Accept-Version": "7"}, authorise=lambda: {"X-Session": "s1"})
    caller.request_json("POST", "/orders", params={"force": "true"}, json={"a": 1})
    seen = provider.seen[0]
    assert (seen.method, seen.path, seen.body) == ("POST", "/orders?force=true", b'{"a":1}')
    assert seen.headers["accept-version"] == "7"
    assert seen.headers["x-session"] == "s1"
    assert seen.headers["user-agent"] == settings.USER_AGENT


def test_form_data_is_sent_as_a_form(provider: ScriptedProvider, make_caller: MakeCaller) -> None:
    make_caller().request_json("POST", "/token", data={"grant": "refresh"})
    assert provider.seen[0].body == b"grant=refresh"


def test_no_content_is_none(provider: ScriptedProvider, make_caller: MakeCaller) -> None:
    provider.replies = [Reply(204, b"")]
    assert make_caller().request_json("POST", "/logout") is None


def test_connection_is_kept_between_calls(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    caller = make_caller()
    for _ in range(5):
        caller.request_json("GET", "/book")
    assert len({seen.connection for seen in provider.seen}) == 1


def test_one_caller_serves_many_threads(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    caller = make_caller()
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda n: caller.request_json("GET", f"/row/{n}"), range(64))
    assert [answer["path"] for answer in answers] == [f"/row/{n}" for n in range(64)]


def test_not_a_number_passes_for_the_adapter_to_judge(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(200, b'{"delta": NaN, "vega": Infinity, "price": 1e400}')]
    answer = make_caller().request_json("GET", "/greeks")
    assert answer["delta"] != answer["delta"]
    assert answer["vega"] == answer["price"] == float("inf")


def test_success_is_the_providers_heartbeat(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    assert heartbeat_age("provider.broker") is None
    make_caller().request_json("GET", "/book")
    age = heartbeat_age("provider.broker")
    assert age is not None
    assert age < 5


# --- Unusable answers -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"positions": [{"conid": 1', "application/json"),
        (b"<html><body>Just a moment</body></html>", "text/html; charset=utf-8"),
        (b"", "application/json"),
        (b'{"a": 1} {"b": 2}', "application/json"),
        (b'{"name": "\xff\xfe"}', "application/json"),
        (b'{"name": "\\ud800"}', "application/json"),
        (b"[" * 100_000, "application/json"),
    ],
    ids=["half", "html", "empty", "two documents", "not utf-8", "lone surrogate", "deep"],
)
def test_body_that_is_not_json_is_malformed_and_not_retried(
    provider: ScriptedProvider, make_caller: MakeCaller, body: bytes, kind: str
) -> None:
    provider.always(Reply(200, body, {"Content-Type": kind}))
    with pytest.raises(MalformedResponse, match=r"broker GET /book"):
        make_caller().request_json("GET", "/book")
    assert len(provider.seen) == 1


def test_oversized_body_is_malformed(provider: ScriptedProvider, make_caller: MakeCaller) -> None:
    provider.replies = [Reply.of(["x" * 5000])]
    with pytest.raises(MalformedResponse, match="larger than 4096 bytes"):
        make_caller().request_json("GET", "/book", maximum_bytes=4096)


def test_compressed_body_counts_as_it_is_unpacked(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    packed = gzip.compress(b'["' + b"x" * 1_000_000 + b'"]')
    provider.replies = [Reply(200, packed, {"Content-Encoding": "gzip"})]
    assert len(packed) < 4096
    with pytest.raises(MalformedResponse, match="larger than"):
        make_caller().request_json("GET", "/book", maximum_bytes=4096)


def test_broken_compression_is_malformed(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(200, b"not gzip", {"Content-Encoding": "gzip"})]
    with pytest.raises(MalformedResponse, match="compression"):
        make_caller().request_json("GET", "/book")


def test_redirect_is_not_followed(provider: ScriptedProvider, make_caller: MakeCaller) -> None:
    provider.replies = [Reply(302, b"", {"Location": "/login"})]
    with pytest.raises(PermanentError, match="302"):
        make_caller().request_json("GET", "/book")
    assert [seen.path for seen in provider.seen] == ["/book"]


# --- Retries ----------------------------------------------------------------------------------
def test_server_errors_are_retried_until_one_answers(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(500), Reply(503), Reply.of({"ok": True})]
    assert make_caller().request_json("GET", "/book") == {"ok": True}
    assert len(provider.seen) == 3


def test_server_errors_end_as_retryable_after_the_attempts(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply.of({"error": {"message": "maintenance"}}, status=503))
    with pytest.raises(RetryableError, match=r"broker GET /book: 503 maintenance"):
        make_caller(attempts=2).request_json("GET", "/book")
    assert len(provider.seen) == 2


def test_cut_connection_is_retried(provider: ScriptedProvider, make_caller: MakeCaller) -> None:
    provider.replies = [Reply(200, b'{"a": 1, "b": 2}', cut_after=5), Reply.of({"a": 1})]
    assert make_caller().request_json("GET", "/book") == {"a": 1}


def test_slow_answer_is_given_up_and_retried(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    release = threading.Event()
    provider.replies = [Reply(until=release), Reply.of({"a": 1})]
    assert make_caller(timeout=0.1).request_json("GET", "/book") == {"a": 1}
    release.set()


def test_answer_that_drips_in_is_given_up(make_caller: MakeCaller) -> None:
    class Dripping(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(200):
                time.sleep(0.02)
                yield b" "

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Dripping()))
    started = time.monotonic()
    with pytest.raises(RetryableError, match="too slowly"):
        make_caller(timeout=0.1, attempts=1, transport=transport).request_json("GET", "/book")
    assert time.monotonic() - started < 1.0


def test_hanging_provider_costs_no_more_than_the_attempts(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    release = threading.Event()
    provider.always(Reply(until=release))
    started = time.monotonic()
    with pytest.raises(RetryableError, match="ReadTimeout"):
        make_caller(timeout=0.1, attempts=3).request_json("GET", "/book")
    assert time.monotonic() - started < 1.5
    release.set()


def test_nobody_listening_is_retryable(make_caller: MakeCaller) -> None:
    caller = HttpCaller("broker", "http://127.0.0.1:9", timeout=0.2, attempts=1)
    with pytest.raises(RetryableError, match="ConnectError"):
        caller.request_json("GET", "/book")
    caller.close()


def test_post_is_sent_once_unless_asked(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply(500))
    caller = make_caller()
    with pytest.raises(RetryableError):
        caller.request_json("POST", "/tickle")
    assert len(provider.seen) == 1
    with pytest.raises(RetryableError):
        caller.request_json("POST", "/tickle", retry=True)
    assert len(provider.seen) == 4


# --- Refusals ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, PermanentError), (403, ForbiddenError), (404, PermanentError), (422, PermanentError)],
)
def test_refusal_carries_the_vendors_message_and_is_not_retried(
    provider: ScriptedProvider, make_caller: MakeCaller, status: int, kind: type[Exception]
) -> None:
    provider.always(Reply.of({"error": "account is closed"}, status=status))
    with pytest.raises(kind, match=rf"broker GET /book: {status} account is closed"):
        make_caller().request_json("GET", "/book")
    assert len(provider.seen) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "x", "message": "no such account"}},
        {"errors": [{"errorCode": "UDAPI1", "message": "no such account"}]},
        {"error": "no such account"},
        {"message": "no such account"},
        ["no such account"],
    ],
)
def test_vendors_message_is_found_in_each_shape(
    provider: ScriptedProvider, make_caller: MakeCaller, body: Any
) -> None:
    provider.replies = [Reply.of(body, status=400)]
    with pytest.raises(PermanentError, match=r"400 no such account$"):
        make_caller().request_json("GET", "/book")


def test_vendors_message_is_one_short_line(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply.of({"error": "line one\nline two\x1b[31m" + "x" * 900}, status=400)]
    with pytest.raises(PermanentError) as refused:
        make_caller().request_json("GET", "/book")
    assert "line one line two" in str(refused.value)
    assert refused.value.message.isprintable()
    assert len(str(refused.value)) < 260


# --- 401 --------------------------------------------------------------------------------------
class Session:
    """A token that the provider accepts after one renewal."""

    def __init__(self, provider: ScriptedProvider) -> None:
        self.token, self.renewals = "old", 0
        provider.answer = self._answer

    def authorise(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def renew(self) -> None:
        self.renewals += 1
        time.sleep(0.02)
        self.token = "new"

    @staticmethod
    def _answer(seen: Seen) -> Reply:
        accepted = seen.headers.get("authorization") == "Bearer new"
        return Reply.of({"ok": True}) if accepted else Reply(401)


def test_fifty_parallel_callers_renew_once(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    session = Session(provider)
    caller = make_caller(timeout=5.0, authorise=session.authorise, renew=session.renew)
    together = threading.Barrier(50)

    def call(_: int) -> Any:
        together.wait(10)
        return caller.request_json("GET", "/book")

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(call, range(50))) == [{"ok": True}] * 50
    assert session.renewals == 1


def test_failed_renewal_is_shared_and_not_repeated_by_each_caller(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply(401))
    renewals: list[int] = []

    def renew() -> None:
        renewals.append(1)
        time.sleep(0.05)
        raise UnauthorisedError("log-in refused", provider="broker")

    caller = make_caller(timeout=5.0, renew=renew)
    together = threading.Barrier(20)

    def call(_: int) -> str:
        together.wait(10)
        with pytest.raises(UnauthorisedError) as refused:
            caller.request_json("GET", "/book")
        return refused.value.message

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(call, range(20))) == {"log-in refused"}
    assert len(renewals) == 1


def test_later_call_renews_again_after_a_failed_renewal(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    session = Session(provider)
    outcomes: list[Exception | None] = [RetryableError("down", provider="broker"), None]

    def renew() -> None:
        if (error := outcomes.pop(0)) is not None:
            raise error
        session.renew()

    caller = make_caller(authorise=session.authorise, renew=renew, attempts=1)
    with pytest.raises(RetryableError):
        caller.request_json("GET", "/book")
    assert caller.request_json("GET", "/book") == {"ok": True}


def test_second_401_after_a_renewal_is_unauthorised(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply(401))
    renewals: list[int] = []
    with pytest.raises(UnauthorisedError):
        make_caller(renew=lambda: renewals.append(1)).request_json("GET", "/book")
    assert len(provider.seen) == 2
    assert len(renewals) == 1


def test_renewal_may_use_the_caller_itself(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply(401))
    callers: list[HttpCaller] = []
    callers.append(make_caller(renew=lambda: callers[0].request_json("POST", "/login")))
    with pytest.raises(UnauthorisedError, match="POST /login"):
        callers[0].request_json("GET", "/book")
    assert [seen.path for seen in provider.seen] == ["/book", "/login"]


def test_401_without_a_way_to_renew_is_unauthorised(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply(401))
    with pytest.raises(UnauthorisedError):
        make_caller().request_json("GET", "/book")
    assert len(provider.seen) == 1


# --- 429 and budgets --------------------------------------------------------------------------
def test_too_many_requests_waits_as_told_and_repeats(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(429, headers={"Retry-After": "0.2"}), Reply.of({"ok": True})]
    started = time.monotonic()
    assert make_caller().request_json("GET", "/book") == {"ok": True}
    assert time.monotonic() - started >= 0.2


def test_wait_longer_than_the_calls_deadline_is_handed_on(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(429, headers={"Retry-After": "120"})]
    with pytest.raises(RateLimitedError) as limited:
        make_caller().request_json("GET", "/book")
    assert limited.value.retry_after == 120
    assert len(provider.seen) == 1


def test_retry_after_as_a_date_is_understood(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    moment = format_datetime(now() + timedelta(seconds=90), usegmt=True)
    provider.replies = [Reply(429, headers={"Retry-After": moment})]
    with pytest.raises(RateLimitedError) as limited:
        make_caller().request_json("GET", "/book")
    assert limited.value.retry_after is not None
    assert 85 < limited.value.retry_after <= 90


@pytest.mark.parametrize("text", ["soon", "", "-5", "Mon, 99 Foo 2026"])
def test_unreadable_retry_after_is_no_wait_we_know(
    provider: ScriptedProvider, make_caller: MakeCaller, text: str
) -> None:
    provider.replies = [Reply(429, headers={"Retry-After": text})]
    with pytest.raises(RateLimitedError) as limited:
        make_caller(attempts=1).request_json("GET", "/book")
    assert limited.value.retry_after is None


def test_after_429_no_other_caller_of_the_provider_calls(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(429)]
    with pytest.raises(RateLimitedError):
        make_caller(attempts=1, penalty_seconds=900).request_json("GET", "/book")
    with pytest.raises(RateLimitedError) as limited:
        make_caller(attempts=1).request_json("GET", "/other")
    assert limited.value.retry_after is not None
    assert 890 < limited.value.retry_after <= 900
    assert len(provider.seen) == 1


def test_pause_holds_in_this_process_when_redis_vanishes(
    provider: ScriptedProvider, make_caller: MakeCaller, own_valkey: OwnValkey
) -> None:
    provider.replies = [Reply(429, headers={"Retry-After": "60"})]
    caller = make_caller(attempts=1)
    with pytest.raises(RateLimitedError):
        caller.request_json("GET", "/book")
    own_valkey.pause()
    with pytest.raises(RateLimitedError):
        caller.request_json("GET", "/book")
    assert len(provider.seen) == 1


def test_budget_of_a_path_limits_only_that_path(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    budgets = {"/orders": CallBudget("orders", limit=1, seconds=60)}
    caller = make_caller(budgets=budgets)
    caller.request_json("GET", "/orders")
    with pytest.raises(RateLimitedError, match="orders"):
        caller.request_json("GET", "/orders/live")
    caller.request_json("GET", "/positions")
    assert [seen.path for seen in provider.seen] == ["/orders", "/positions"]


def test_budget_of_everything_counts_retries_too(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply(500))
    caller = make_caller(budgets={"": CallBudget("all", limit=2, seconds=60)})
    with pytest.raises((RetryableError, RateLimitedError)):
        caller.request_json("GET", "/book")
    assert len(provider.seen) == 2


# --- Breaker ----------------------------------------------------------------------------------
def test_breaker_opens_after_failures_and_spares_the_provider(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply(500))
    first = make_caller()
    first.breaker.failures = 2
    with pytest.raises(CircuitOpen):
        first.request_json("GET", "/book")
    with pytest.raises(CircuitOpen):
        make_caller().request_json("GET", "/book")
    assert len(provider.seen) == 2


def test_breaker_and_pause_of_one_server_do_not_hold_for_another(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(429, headers={"Retry-After": "60"})]
    with pytest.raises(RateLimitedError):
        make_caller().request_json("GET", "/book")
    with pytest.raises(RateLimitedError):
        make_caller().request_json("GET", "/book")
    assert len(provider.seen) == 1
    elsewhere = HttpCaller("broker", provider.url.replace("127.0.0.1", "localhost"), timeout=1)
    assert elsewhere.request_json("GET", "/book") is not None
    elsewhere.close()


def test_half_open_breaker_lets_one_call_probe_and_closes(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(500)]
    breaker = CircuitBreaker("broker", failures=1, cool_down=0.05)
    caller = make_caller(breaker=breaker, attempts=1)
    with pytest.raises(RetryableError):
        caller.request_json("GET", "/book")
    assert breaker.state() == BreakerState.OPEN
    time.sleep(0.06)
    caller.request_json("GET", "/book")
    assert breaker.state() == BreakerState.CLOSED


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusals_do_not_open_the_breaker(
    provider: ScriptedProvider, make_caller: MakeCaller, status: int
) -> None:
    provider.always(Reply(status))
    breaker = CircuitBreaker("broker", failures=1)
    with pytest.raises((PermanentError, UnauthorisedError)):
        make_caller(breaker=breaker).request_json("GET", "/book")
    assert breaker.state() == BreakerState.CLOSED


# --- Secrets and Redis ------------------------------------------------------------------------
def test_secrets_that_the_vendor_echoes_stay_out_of_the_message(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    canary = "cAnArY-9f27c1d4-refresh"
    provider.always(Reply.of({"error": f"bad value {canary}"}, status=400))
    caller = make_caller(authorise=lambda: {"Authorization": f"Bearer {canary}"})
    with pytest.raises(PermanentError) as by_header:
        caller.request_json("GET", "/book", params={"api_key": canary})
    with pytest.raises(PermanentError) as by_body:
        make_caller().request_json("POST", "/token", data={"refresh_token": canary})
    for refused in (by_header, by_body):
        assert canary not in str(refused.value)
        assert "bad value" in str(refused.value)
        assert refused.value.__cause__ is None


def test_query_is_not_in_the_message(provider: ScriptedProvider, make_caller: MakeCaller) -> None:
    provider.always(Reply(400))
    with pytest.raises(PermanentError) as refused:
        make_caller().request_json("GET", "/book?session=abc", params={"page": "7"})
    assert refused.value.message == "broker GET /book: 400"


def test_without_redis_calls_go_on(
    provider: ScriptedProvider, make_caller: MakeCaller, no_redis: None
) -> None:
    caller = make_caller(budgets={"": CallBudget("all", limit=10, seconds=60)})
    started = time.monotonic()
    for _ in range(5):
        caller.request_json("GET", "/book")
    assert len(provider.seen) == 5
    assert time.monotonic() - started < 1.0


@pytest.mark.parametrize("verify", [True, certifi.where()], ids=["system", "file"])
def test_encrypted_provider_must_prove_itself(provider: ScriptedProvider, verify: Any) -> None:
    caller = HttpCaller(
        "broker", provider.url.replace("http:", "https:"), timeout=1.0, verify=verify, attempts=1
    )
    with pytest.raises(RetryableError, match="ConnectError"):
        caller.request_json("GET", "/book")
    assert provider.seen == []
    caller.close()


def test_transport_can_be_replaced(make_caller: MakeCaller) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"m": request.method}))
    assert make_caller(transport=transport).request_json("get", "/book") == {"m": "GET"}
