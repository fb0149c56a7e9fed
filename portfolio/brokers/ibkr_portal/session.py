"""The gateway's session: kept alive, reopened once if lost, and what was done in it.

The Client Portal gateway answers only after certain calls in its session. Redis remembers them, so
all processes together make each preparing call once per session.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from redis.exceptions import RedisError

from config.core.errors import MalformedResponse, UnauthorisedError
from config.core.http.caller import HttpCaller
from config.core.redis.client import key, redis_client
from config.core.redis.process_copies import ProcessCopies

#: The gateway wants a tickle about every minute.
TICKLE_SECONDS = 50
#: It forgets a session after about five idle minutes.
REMEMBERED_SECONDS = 240
STATUS_TRIES = 4
STATUS_PAUSE = 0.5

PORTFOLIO = "portfolio"
BROKERAGE = "brokerage"
ORDERS = "orders"
_ALIVE = "alive"

_copies: ProcessCopies[dict[str, float]] = ProcessCopies(dict)


def object_of(answer: object, what: str) -> Mapping[str, Any]:
    """Return the gateway's answer as an object. Raises MalformedResponse if it is anything else."""
    if not isinstance(answer, Mapping):
        told = f"{what}: expected an object, got {type(answer).__name__}"
        raise MalformedResponse(told, provider="ibkr_portal")
    return answer


class GatewayMemory:
    """What was done in the gateway's current session, for a limited time, for all processes.

    Without Redis each process remembers its own.
    """

    def __init__(self, base_url: str) -> None:
        self._name = hashlib.sha256(base_url.encode()).hexdigest()[:16]

    def note(self, what: str, *, seconds: int = REMEMBERED_SECONDS) -> None:
        self.note_all((what,), seconds=seconds)

    def knows(self, what: str) -> bool:
        return bool(self.known((what,)))

    def note_all(self, facts: Iterable[str], *, seconds: int) -> None:
        """``note`` for many, in one round trip."""
        wanted = tuple(facts)
        if not wanted:
            return
        moment = time.monotonic()
        with _copies.lock:
            copy = _copies.get(self._name)
            for fact in [fact for fact, until in copy.items() if until <= moment]:
                del copy[fact]
            copy.update(dict.fromkeys(wanted, moment + seconds))
        try:
            pipeline = redis_client().pipeline(transaction=False)
            for fact in wanted:
                pipeline.set(self._key(fact), "1", ex=seconds)
            pipeline.execute()
        except RedisError:
            return

    def known(self, facts: Iterable[str]) -> set[str]:
        """Return the remembered facts, in one round trip."""
        wanted = tuple(facts)
        if not wanted:
            return set()
        try:
            found = cast("list[str | None]", redis_client().mget(map(self._key, wanted)))
        except RedisError:
            moment = time.monotonic()
            with _copies.lock:
                copy = _copies.get(self._name)
                return {fact for fact in wanted if copy.get(fact, 0.0) > moment}
        return {fact for fact, value in zip(wanted, found, strict=True) if value is not None}

    def forget(self) -> None:
        """Forget what was done in the session; missing market data is independent of it."""
        names = (_ALIVE, PORTFOLIO, BROKERAGE, ORDERS)
        with _copies.lock:
            for name in names:
                _copies.get(self._name).pop(name, None)
        try:
            redis_client().delete(*(self._key(name) for name in names))
        except RedisError:
            return

    def _key(self, what: str) -> str:
        return key("ibkr_portal", self._name, what)


class PortalSession:
    """Opens and keeps the gateway's session. Thread-safe.

    ``caller`` makes the session's own calls and must not renew: the caller of other calls renews
    through :meth:`reopen`, and the two would deadlock. ``opening`` replaces :meth:`open` where
    other processes take part.
    """

    def __init__(
        self,
        memory: GatewayMemory,
        caller: HttpCaller,
        *,
        opening: Callable[[], object] | None = None,
    ) -> None:
        self.memory = memory
        self._caller = caller
        self._opening_elsewhere = opening
        # ``ensure`` may be opening the session while a call finds it lost.
        self._opening = threading.Lock()
        self._opened_at = 0.0

    def ensure(self) -> None:
        """Ensure a live session: at most every fifty seconds, a tickle checks it and keeps it
        alive."""
        if self.memory.knows(_ALIVE):
            return
        with self._opening:
            if self.memory.knows(_ALIVE):
                return
            if self.is_alive():
                self.memory.note(_ALIVE, seconds=TICKLE_SECONDS)
            else:
                self._open()

    def is_alive(self) -> bool:
        """Return whether a tickle finds the session open; it also keeps it alive."""
        return self._is_open(self._tickled())

    def reopen(self) -> None:
        """Reopen the brokerage session once for all threads that found it lost.

        Raises UnauthorisedError if nobody is logged in at the gateway.
        """
        lost_at = time.monotonic()
        with self._opening:
            if self._opened_at < lost_at:
                self._open()

    def close(self) -> None:
        self._caller.close()

    def open(self) -> None:
        """Open the brokerage session, whatever its state. Raises UnauthorisedError.

        ``compete`` stays false: a read-only desk must never log the trader out of TWS.
        """
        self.memory.forget()
        status: Mapping[str, Any] = self._post(
            "/iserver/auth/ssodh/init", {"publish": True, "compete": False}
        )
        for attempt in range(STATUS_TRIES):
            if self._is_open(status):
                return
            if attempt:
                time.sleep(STATUS_PAUSE)
            status = self._post("/iserver/auth/status")
        raise UnauthorisedError(
            "IBKR: the gateway has no session. Log in on the gateway's own page.",
            provider="ibkr_portal",
        )

    def _open(self) -> None:
        if self._opening_elsewhere is None:
            self.open()
        else:
            self._opening_elsewhere()
        self.memory.note(_ALIVE, seconds=TICKLE_SECONDS)
        self._opened_at = time.monotonic()

    def _tickled(self) -> Mapping[str, Any]:
        """Return a tickle's status; empty if the gateway refuses even that."""
        try:
            brokerage = self._post("/tickle").get("iserver")
        except UnauthorisedError:
            return {}
        status = brokerage.get("authStatus") if isinstance(brokerage, Mapping) else None
        return status if isinstance(status, Mapping) else {}

    def _is_open(self, status: Mapping[str, Any]) -> bool:
        if status.get("competing") is True:
            raise UnauthorisedError(
                "IBKR: another session uses this log-in (competing). Close it, or log in at the"
                " gateway with another user name.",
                provider="ibkr_portal",
            )
        return status.get("authenticated") is True and status.get("connected") is not False

    def _post(self, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        answer = self._caller.request_json("POST", path, json=body or {}, retry=True)
        return object_of(answer, path)
