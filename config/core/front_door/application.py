"""The ASGI application before Django."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

import structlog
from django.conf import settings

from config.core.front_door.asgi import Application, Message, Receive, Scope, Send
from config.core.front_door.bodies import Prepared, holds
from config.core.front_door.checks import AccessChecks
from config.core.front_door.grants import ACCESS_GROUP, Authorised, CommonHeaders, Grant, authorise
from config.core.front_door.headers import (
    RequestIds,
    Wire,
    common_headers,
    head_of,
    protecting,
    warning_of_age,
)
from config.core.front_door.live.answers import LiveAnswers
from config.core.front_door.pages import KeptPages
from config.core.front_door.refusals import refuse
from config.core.front_door.requests import Asked, Caller, read_request
from config.core.front_door.resources import Resource
from config.core.front_door.running import RunningTasks
from config.core.front_door.server import EXTENSION
from config.core.front_door.throttle import Addresses
from config.core.front_door.watches import LOOK_SECONDS, Watch, Watches
from config.core.live.hub import hub
from config.core.monitoring.measured import SLOW_SECONDS
from config.core.monitoring.prepared import AnswerCounter
from config.core.monitoring.recording import MISSED, warn_of_slow_answer
from config.core.threads import ThreadPool

logger = structlog.get_logger(__name__)

# Protective headers of a refusal until Django has answered once.
_NO_SNIFFING = [(b"x-content-type-options", b"nosniff")]
# A request waits this long for a body whose next version is being built.
_RENEWAL_SECONDS = 0.25
_ASK_AGAIN_SECONDS = 1.0
_MOST_CHECKS = 64
_THROTTLED = "Too many requests in this second."
_UNREADABLE = "The query string holds bytes that are not ASCII: percent-encode them."


class FrontDoor:
    """Answers prepared resources from memory and gives every other request to ``django``.

    It belongs to one event loop at a time and starts with the first request for a resource.
    """

    def __init__(
        self,
        django: Application,
        resources: Mapping[bytes, Resource],
        *,
        authorise: Callable[[Caller], Authorised | None] = authorise,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.django = django
        self.resources = resources
        self.answers = AnswerCounter()
        self._clock = clock
        self._look_threads = ThreadPool("door-look", most=1)
        self._threads = ThreadPool("door", most=2)
        self._checks = AccessChecks(self._threads, authorise=authorise, clock=clock)
        self.grants, self.public = self._checks.private, self._checks.public
        self.watches = Watches(self._look_threads, clock=clock)
        self.pages = KeptPages(
            django, self._threads, key_of=self._seen_by, authorise=authorise, clock=clock
        )
        self._addresses = Addresses()
        self._protecting: dict[str, Wire] = {}
        self._ids = RequestIds()
        self._live = LiveAnswers(clock=clock, ids=self._ids)
        self._calls_per_second = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._checking: set[tuple[str, Caller]] = set()
        self._checking_again: asyncio.Task[None] | None = None
        self._work = RunningTasks()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["query_string"].isascii():
            await self._refuse_unreadable(scope, send)
            return
        resource = self.resources.get(scope.get("raw_path") or b"")
        if self._loop is None:
            self._start()
        if resource is None:
            await self.pages(scope, receive, send)
            return
        begun = self._clock()
        is_public = resource.is_public
        grants = self._checks.grants_of(resource)
        asked = read_request(scope, is_public=is_public)
        grant = None if asked is None else grants.get(resource, asked.caller, begun)
        if self._is_throttled(resource, grant, scope, begun):
            await self._refuse(resource, asked, scope, send, begun)
            return
        if asked is not None and grant is not None and resource.is_live:
            if not await self._live(asked, grant, partial(self._holds, grant, asked), scope, send):
                await self._through(resource, asked, scope, receive, send)
            return
        if asked is None or grant is None or (watch := self.watches.get(grant.name)) is None:
            await self._through(resource, asked, scope, receive, send)
            return
        prepared = self.watches.current(watch, begun)
        if prepared is None:
            prepared = await self.watches.renewed(watch, seconds=_RENEWAL_SECONDS)
            # Access may have been revoked while it waited.
            if not self._holds(grant, asked):
                prepared = None
        common = grant.headers
        is_last_known = False
        if prepared is None and not is_public:
            prepared = self._last_known(watch, asked, grant)
            if prepared is not None:
                is_last_known, common = True, warning_of_age(common)
        if prepared is None or (body := prepared.body.ready(asked.form)) is None:
            await self._through(resource, asked, scope, receive, send)
            return
        status = 200
        if asked.if_none_match and holds(
            asked.if_none_match.decode("latin-1"), prepared.body.etag(asked.form)
        ):
            status, body = 304, b""
        head = head_of(prepared, asked.form, common, status)
        request_id = self._ids.of(asked.request_id)
        write = scope["extensions"].get(EXTENSION) if "extensions" in scope else None
        if write is None or not write(head.text, b"x-request-id: %b\r\n" % request_id, body):
            headers = [*head.wire, (b"x-request-id", request_id)]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        seconds = self._clock() - begun
        self.answers.count(resource.route, scope["method"], status, seconds)
        if seconds > SLOW_SECONDS:
            endpoint = f"{scope['method']} {resource.route}"
            warn_of_slow_answer(endpoint, status, seconds, resource.name, request_id)
        if begun - watch.asked_at >= _ASK_AGAIN_SECONDS and not is_last_known:
            watch.asked_at = begun
            self._work.run(self._ask(watch))

    def _holds(self, grant: Grant, asked: Asked) -> bool:
        """Return whether the caller has the grant still."""
        grants = self._checks.grants_of(grant.resource)
        return grants.get(grant.resource, asked.caller, self._clock()) is grant

    def _last_known(self, watch: Watch, asked: Asked, grant: Grant) -> Prepared | None:
        """Return what the caller may see, labelled stale, while the database does not answer."""
        moment = self._clock()
        known = self.watches.last_known(watch, moment)
        if known is None or not self._holds(grant, asked):
            return None
        stale = known.as_stale()
        stale.body.form(asked.form)
        return stale

    def _is_throttled(
        self, resource: Resource, grant: Grant | None, scope: Scope, moment: float
    ) -> bool:
        limit = self._calls_per_second
        if grant is not None and not resource.is_public:
            return grant.allowance.is_used_up(moment, limit)
        client = scope.get("client")
        return self._addresses.is_used_up(client[0] if client else "", moment, limit)

    async def _refuse(
        self,
        resource: Resource,
        asked: Asked | None,
        scope: Scope,
        send: Send,
        begun: float,
    ) -> None:
        """Answer 429."""
        request_id = self._ids.of(asked.request_id if asked is not None else b"")
        more = [(b"retry-after", b"1"), *self._protecting.get(resource.name, [])]
        await refuse(send, 429, "throttled", _THROTTLED, request_id=request_id, more=more)
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
        seconds = self._clock() - begun
        self.answers.count(resource.route, method, 429, seconds, is_hit=False)

    async def _refuse_unreadable(self, scope: Scope, send: Send) -> None:
        """Answer 400 at every address: Django would fail on it (RFC 3986 §3.4)."""
        request_id = self._ids.of(dict(scope["headers"]).get(b"x-request-id", b""))
        more = next(iter(self._protecting.values()), _NO_SNIFFING)
        await refuse(send, 400, "invalid_input", _UNREADABLE, request_id=request_id, more=more)

    async def _through(
        self, resource: Resource, asked: Asked | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let Django answer; if an ordinary request succeeds, consider a grant."""
        started: Message = {}

        async def seen(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
            await send(message)

        if asked is not None and not resource.is_live:
            scope[MISSED] = resource.name
        await self.django(scope, receive, seen)
        headers = started.get("headers", ())
        if headers:
            self._protecting[resource.name] = protecting(headers)
        if asked is None or started.get("status") not in (200, 304):
            return
        common = common_headers(headers)
        if common is not None:
            self._consider(resource, asked.caller, common)

    # --- Grants ------------------------------------------------------------------------------
    def _consider(self, resource: Resource, caller: Caller, common: CommonHeaders) -> None:
        """Check the caller off the loop, one check per caller at a time, and watch its body."""
        name = (resource.name, caller)
        if name in self._checking or len(self._checking) >= _MOST_CHECKS:
            return
        self._checking.add(name)
        task = self._work.run(self._grant(resource, caller, common))
        task.add_done_callback(lambda _: self._checking.discard(name))

    async def _grant(self, resource: Resource, caller: Caller, common: CommonHeaders) -> None:
        grant = await self._checks.grant(resource, caller, common)
        if grant is not None and not resource.is_live:
            await self.watches.open(resource, grant.key)

    async def _ask(self, watch: Watch) -> None:
        await self._threads(partial(watch.resource.source.asked, watch.key))

    def _seen_by(self, user: Any) -> Hashable:
        """Return what a user may see of every private resource that is prepared."""
        found = (each for each in self.resources.values() if not (each.is_public or each.is_live))
        return tuple((each.name, each.key_of(user)) for each in found)

    # --- Life --------------------------------------------------------------------------------
    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls_per_second = settings.FRONT_DOOR_CALLS_PER_SECOND
        self._keeper = asyncio.create_task(self._keep(), name="front-door")

    async def _keep(self) -> None:
        """Listen for revocations, look at the committed versions each second, and tidy up."""
        await hub().join(ACCESS_GROUP, self._heard)
        while True:
            # Only a confirmed subscription hears everything; its loss is reported at once.
            if hub().hears(ACCESS_GROUP) and self.grants.epoch() is None:
                self.grants.listen(True)
                self.pages.grants.listen(True)
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self.grants.drop_expired()
                self.pages.drop_expired()
                self.public.drop_expired()
                if self._checking_again is None or self._checking_again.done():
                    self._checking_again = self._work.run(self._checks.check_due())
                await self.watches.close_unused(self.grants.in_use() | self.public.in_use())
                await self.watches.look_at_all()
            except Exception:
                logger.exception("front_door.look_failed")

    def _heard(self, message: Message) -> None:
        kind = message.get("type")
        if kind == "access.revoked":
            self.grants.revoke(message.get("user_id"))
            self.pages.grants.revoke(message.get("user_id"))
        elif kind == "hub.lost":
            self.grants.listen(False)
            self.pages.grants.listen(False)
            self.watches.forget_bodies()

    async def close(self) -> None:
        """Forget everything, because the process or the loop ends."""
        self.grants.listen(False)
        self.pages.grants.listen(False)
        self.public.revoke_all()
        await self.pages.work.cancel()
        await self._work.cancel(self._keeper)
        await hub().leave(ACCESS_GROUP, self._heard)
        await self.watches.close_unused(())
        self._live.close()
        self._threads.close()
        self._look_threads.close()
        self._loop = self._keeper = None
