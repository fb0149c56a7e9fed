"""The one way to call a provider over HTTP."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypedDict, TypeVar, Unpack, cast
from urllib.parse import urlsplit

import httpx
import stamina
from django.conf import settings

from config.core.errors import (
    ForbiddenError,
    MalformedResponse,
    PermanentError,
    ProviderError,
    RateLimitedError,
    RetryableError,
    UnauthorisedError,
)
from config.core.health import heartbeat
from config.core.http.breaker import CircuitBreaker
from config.core.http.budget import CallBudget
from config.core.http.call import Call, secret_values
from config.core.http.pause import SharedPause
from config.core.http.renewal import Renewal
from config.core.http.responses import (
    NOT_MODIFIED,
    Answer,
    read_body,
    retry_after_seconds,
    vendor_message,
)
from config.core.http.servers import server_name
from config.core.monitoring.recording import record_provider_call

Result = TypeVar("Result")
Authorise = Callable[[], Mapping[str, str]]
#: Interprets a refusal by the vendor's own code, from its status, body and our message about it;
#: ``None`` if the status says enough.
Explain = Callable[[int, bytes, str], ProviderError | None]

_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
#: Seconds all processes pause after a 429 without a stated wait.
_PAUSE_WITHOUT_RETRY_AFTER = 1.0


class Options(TypedDict, total=False):
    """What a request may have. ``headers`` with ``If-None-Match``: 304 is an answer too.

    ``retry``: by default only for GET.
    """

    headers: Mapping[str, str]
    params: Mapping[str, Any] | None
    json: Any
    data: Mapping[str, Any]
    retry: bool
    maximum_bytes: int


class HttpCaller:
    """Calls one provider: keeps connections, retries, budgets, authorises, and maps every failure.

    - no answer in time, dropped connection, 5xx → ``RetryableError`` after jittered retries, at
      most ``attempts`` tries within ``attempts × timeout`` seconds, budget waits included;
    - 401 → ``renew`` once, however many threads got one, then call again → ``UnauthorisedError``;
    - 403 → ``ForbiddenError``; 429 → ``RateLimitedError``, after waiting and repeating if the wait
      fits; all processes pause with it (``penalty_seconds`` if the vendor names no wait);
    - other 3xx and 4xx → ``PermanentError`` with the vendor's message;
    - whatever ``explain`` says of a refusal takes precedence over all of these;
    - not JSON, cut, HTML, larger than allowed → ``MalformedResponse``;
    - breaker open → ``CircuitOpen`` without a call.

    ``authorise`` returns the headers of each try; ``renew`` may call this caller itself. Every one
    of a matching prefix's ``budgets`` is asked, the longest window first. Messages name provider,
    method and path: never query, headers or body. ``calls`` counts the requests sent.
    Thread-safe.
    """

    def __init__(
        self,
        provider: str,
        base_url: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        verify: bool | str | ssl.SSLContext = True,
        budgets: Mapping[str, CallBudget | Iterable[CallBudget]] | None = None,
        authorise: Authorise | None = None,
        renew: Callable[[], None] | None = None,
        explain: Explain | None = None,
        attempts: int = 3,
        penalty_seconds: float = _PAUSE_WITHOUT_RETRY_AFTER,
        breaker: CircuitBreaker | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.provider = provider
        self.timeout = timeout
        self.attempts = attempts
        self.server = server_name(provider, base_url)
        self.calls = 0
        self.breaker = breaker or CircuitBreaker(self.server, probe_seconds=2 * timeout)
        self._penalty_seconds = penalty_seconds
        self._budgets = [
            (prefix, budget)
            for prefix, given in (budgets or {}).items()
            for budget in _longest_first(given)
        ]
        self._authorise = authorise
        self._renew = renew
        self._explain = explain
        self._pause = SharedPause(self.server)
        self._renewal = Renewal()
        self._client = httpx.Client(
            base_url=base_url,
            timeout=timeout,
            headers={"User-Agent": settings.USER_AGENT, "Accept": "application/json"}
            | dict(headers or {}),
            verify=_certificates(verify) if base_url.startswith("https:") else False,
            limits=_LIMITS,
            follow_redirects=False,
            transport=transport,
            # The environment's proxy is for the internet, never for a gateway on this machine.
            trust_env=urlsplit(base_url).hostname not in _LOOPBACK,
        )

    def request_json(self, method: str, path: str, **options: Unpack[Options]) -> Any:
        """Return the decoded JSON answer; ``None`` for 204."""
        return self.request(method, path, read=Answer.json, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        read: Callable[[Answer], Result],
        **options: Unpack[Options],
    ) -> Result:
        """Return what ``read`` makes of the answer; it raises ``MalformedResponse`` if useless."""
        call = Call(
            method=method.upper(),
            path=path,
            headers=dict(options.get("headers") or {}),
            arguments={name: options.get(name) for name in ("params", "json", "data")},
            read=read,
            maximum_bytes=options.get("maximum_bytes", 20_000_000),
            deadline=time.monotonic() + self.timeout * self.attempts,
        )
        repeat = options.get("retry", call.method == "GET")
        for attempt in stamina.retry_context(
            on=call.wait_before_retry if repeat else (lambda _: False),
            attempts=self.attempts,
            timeout=self.timeout * self.attempts,
            wait_initial=0.1,
            wait_max=2.0,
            wait_jitter=0.25,
        ):
            with attempt:
                return cast(Result, self._try_with_renewal(call))
        raise AssertionError("stamina ends by returning or raising")

    def close(self) -> None:
        self._client.close()

    def _try_with_renewal(self, call: Call) -> Any:
        started = time.monotonic()
        try:
            return self._try(call)
        except UnauthorisedError:
            if self._renew is None or self._renewal.is_ours():
                raise
        self._renewal.run_once(self._renew, after=started)
        return self._try(call)

    def _try(self, call: Call) -> Any:
        if (pause := self._pause.remaining()) > 0:
            raise RateLimitedError(
                f"{self.provider} asked for a pause.", provider=self.provider, retry_after=pause
            )
        self.breaker.check()
        for prefix, budget in self._budgets:
            if call.path.startswith(prefix):
                budget.acquire(wait_up_to=max(0.0, call.deadline - time.monotonic()))
        headers = call.headers | dict(self._authorise() if self._authorise else {})
        self.calls += 1
        started = time.perf_counter()
        outcome = "ok"
        try:
            answer = self._send(call, headers)
        except RetryableError as error:
            outcome = error.code
            self.breaker.record_failure()
            raise
        except ProviderError as error:
            outcome = error.code
            if not isinstance(error, MalformedResponse):
                # It answered: refusing a call is not being down.
                self.breaker.record_success()
            raise
        else:
            self.breaker.record_success()
            heartbeat(f"provider.{self.provider}")
            return answer
        finally:
            record_provider_call(self.provider, outcome, time.perf_counter() - started)

    def _send(self, call: Call, headers: dict[str, str]) -> Any:
        what = f"{self.provider} {call.method} {call.path.partition('?')[0]}"
        try:
            with self._client.stream(
                call.method, call.path, headers=headers, **call.arguments
            ) as response:
                body = read_body(
                    response,
                    provider=self.provider,
                    what=what,
                    maximum_bytes=call.maximum_bytes,
                    deadline=time.monotonic() + self.timeout,
                )
        except httpx.DecodingError:
            raise MalformedResponse(
                f"{what}: the answer's compression is broken.", provider=self.provider
            ) from None
        except httpx.TransportError as error:
            # Drop the cause: its request holds headers and the whole address.
            raise RetryableError(
                f"{what}: no answer ({type(error).__name__}).", provider=self.provider
            ) from None
        unchanged = response.status_code == NOT_MODIFIED and call.is_conditional
        if response.is_success or unchanged:
            return call.read(
                Answer(self.provider, what, response.status_code, response.headers, body)
            )
        secrets = (*secret_values(headers), *secret_values(call.arguments))
        raise self._failure(what, response, body, vendor_message(body, secrets=secrets))

    def _failure(
        self, what: str, response: httpx.Response, body: bytes, said: str
    ) -> ProviderError:
        status = response.status_code
        message = f"{what}: {status}" + (f" {said}" if said else "")
        if self._explain and (explained := self._explain(status, body, message)):
            return explained
        if status == 429:
            wait = retry_after_seconds(response.headers)
            self._pause.start(self._penalty_seconds if wait is None else wait)
            return RateLimitedError(message, provider=self.provider, retry_after=wait)
        if status >= 500 or status == 408:
            return RetryableError(message, provider=self.provider)
        kinds: dict[int, type[ProviderError]] = {401: UnauthorisedError, 403: ForbiddenError}
        return kinds.get(status, PermanentError)(message, provider=self.provider)


def _certificates(verify: bool | str | ssl.SSLContext) -> bool | ssl.SSLContext:
    """Return the authorities to trust. ``True``: the public ones; a path: those in that file."""
    return authorities(verify) if verify is True or isinstance(verify, str) else verify


@lru_cache(maxsize=8)
def authorities(verify: bool | str) -> ssl.SSLContext:
    """Load the authorities' file once per process, not once per caller: it takes 20 ms."""
    if verify is True:
        return httpx.create_ssl_context()
    return ssl.create_default_context(cafile=str(verify))


def _longest_first(given: CallBudget | Iterable[CallBudget]) -> list[CallBudget]:
    budgets = [given] if isinstance(given, CallBudget) else list(given)
    return sorted(budgets, key=lambda budget: -budget.seconds)
