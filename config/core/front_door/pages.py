"""Serve the last known page while the database is down: to the same session, with its age.

Django answers pages. Each page a signed-in reader gets is also kept, compressed, by session and
address, for as long as a grant of the session could live during an outage. While the database does
not answer, the reader gets it again, labelled. Without one, Django answers 503.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog

from config.core.database import database_breaker, probe_database
from config.core.errors import DatabaseUnavailable
from config.core.front_door.asgi import Application, PassingAnswer, Receive, Scope, Send
from config.core.front_door.grants import (
    LONGEST_SECONDS,
    OUTAGE_SECONDS,
    Authorised,
    CommonHeaders,
    Grant,
    Grants,
    authorise,
)
from config.core.front_door.headers import common_headers
from config.core.front_door.requests import Caller, page_caller
from config.core.front_door.resources import Resource
from config.core.front_door.running import RunningTasks
from config.core.threads import InThread

logger = structlog.get_logger(__name__)

#: Where ``base.html`` has the label put; a page without it is not kept.
PLACE: Final = b"<!-- last known -->"
#: If an answer takes longer, the database is checked.
_LOOK_SECONDS: Final = 0.4
_PROBE_SECONDS: Final = 0.4
_MOST_BYTES: Final = 16_000_000
_MOST_OF_ONE: Final = 16
_OF_ONE_PAGE: Final = frozenset({b"cache-control", b"vary", b"x-request-id"})


@dataclass(frozen=True, slots=True)
class _Page:
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    at: float


@dataclass(slots=True)
class _Visitor:
    """One session's pages, valid as long as the grant they were served under."""

    grant: Grant
    pages: OrderedDict[bytes, _Page] = field(default_factory=OrderedDict)

    @property
    def size(self) -> int:
        return sum(len(page.body) for page in self.pages.values())


class KeptPages:
    """ASGI application before Django, on one event loop. ``clock`` counts seconds.

    ``key_of`` tells what a user may see; a change that nobody announced drops the kept pages.
    """

    def __init__(
        self,
        django: Application,
        in_thread: InThread,
        *,
        key_of: Callable[[Any], Any],
        authorise: Callable[[Caller], Authorised | None] = authorise,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.django = django
        self.grants = Grants(clock=clock)
        self._resource = Resource("pages", "", "")
        self._in_thread = in_thread
        self._key_of = key_of
        self._authorise = authorise
        self._clock = clock
        self._visitors: OrderedDict[Caller, _Visitor] = OrderedDict()
        self.work = RunningTasks()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = page_caller(scope)
        if caller is None:
            await self.django(scope, receive, send)
            return
        target = scope["raw_path"] + b"?" + scope["query_string"]
        kept = self._kept(caller, target)
        if kept is not None and database_breaker().is_open:
            await self._send(kept, scope, send)
            return
        # A revocation from here on may not have been known to the page.
        epoch = self.grants.epoch()
        answer = PassingAnswer(send, is_replaceable=kept is not None)
        if kept is None:
            await self.django(scope, receive, answer.take)
        elif await self._fails(scope, receive, answer):
            await self._send(kept, scope, send)
            return
        if answer.is_page and epoch is not None:
            self.work.run(self._keep(caller, target, answer, epoch))

    async def _fails(self, scope: Scope, receive: Receive, answer: PassingAnswer) -> bool:
        """Let Django answer; return whether it failed for lack of the database."""
        task = asyncio.ensure_future(self.django(scope, receive, answer.take))
        await asyncio.wait({task}, timeout=_LOOK_SECONDS)
        if not answer.has_begun and not task.done():
            problem = await self._in_thread(partial(probe_database, wait_up_to=_PROBE_SECONDS))
            if problem is not None and not answer.has_begun and not task.done():
                database_breaker().trip()
                answer.is_given_up = True
                self.work.run(_end(task))
                return True
        await task
        return answer.is_lost

    # --- Keeping ------------------------------------------------------------------------------
    def _kept(self, caller: Caller, target: bytes) -> _Page | None:
        visitor = self._visitors.get(caller)
        if visitor is None:
            return None
        moment = self._clock()
        if self.grants.get(self._resource, caller, moment) is not visitor.grant:
            del self._visitors[caller]
            return None
        page = visitor.pages.get(target)
        return page if page is not None and moment - page.at <= OUTAGE_SECONDS else None

    async def _keep(self, caller: Caller, target: bytes, answer: PassingAnswer, epoch: int) -> None:
        """Keep the page if the session is good in the database, once a minute."""
        common = common_headers(
            each for each in answer.headers if each[0] not in (*_OF_ONE_PAGE, b"set-cookie")
        )
        if common is None:
            return
        at = self._clock()
        body = answer.body
        whole = gzip.decompress(body) if answer.encoding == b"gzip" else body
        if PLACE not in whole:
            return
        grant = self.grants.get(self._resource, caller, at)
        if grant is None or at - grant.checked > LONGEST_SECONDS:
            check = partial(self._checked, grant, caller, common, epoch)
            try:
                grant = await self._in_thread(check)
            except DatabaseUnavailable:
                return
        elif epoch != self.grants.epoch():
            return
        if grant is None:
            return
        if answer.encoding != b"gzip":
            body = await self._in_thread(partial(gzip.compress, body, 1, mtime=0))
        visitor = self._visitors.get(caller)
        if visitor is None or visitor.grant is not grant:
            visitor = self._visitors[caller] = _Visitor(grant)
        visitor.pages[target] = _Page(body, common.headers, at)
        visitor.pages.move_to_end(target)
        self._visitors.move_to_end(caller)
        while len(visitor.pages) > _MOST_OF_ONE:
            visitor.pages.popitem(last=False)
        self._drop_oldest()

    def _checked(
        self, before: Grant | None, caller: Caller, common: CommonHeaders, epoch: int
    ) -> Grant | None:
        """Return a grant from the database, unless access was revoked since ``epoch``.

        An unchanged one is extended and keeps its pages.
        """
        begun = self._clock()
        authorised = self._authorise(caller)
        if authorised is None:
            return None
        grant = Grant(
            resource=self._resource,
            caller=caller,
            user_id=authorised.user.pk,
            key=self._key_of(authorised.user),
            checked=begun,
            ends=begun + authorised.seconds,
            headers=common,
        )
        is_same = before is not None and (before.user_id, before.key) == (grant.user_id, grant.key)
        if before is not None and is_same and epoch == self.grants.epoch():
            grant = before
            grant.checked, grant.ends = begun, begun + authorised.seconds
        elif not self.grants.store(grant, epoch=epoch):
            return None
        grant.expires = min(grant.checked + OUTAGE_SECONDS, grant.ends)
        return grant

    def _drop_oldest(self) -> None:
        size = sum(visitor.size for visitor in self._visitors.values())
        while size > _MOST_BYTES and len(self._visitors) > 1:
            size -= self._visitors.popitem(last=False)[1].size

    def drop_expired(self) -> None:
        """Drop pages whose grants have ended."""
        self.grants.drop_expired()
        moment = self._clock()
        for caller, visitor in tuple(self._visitors.items()):
            if self.grants.get(self._resource, caller, moment) is not visitor.grant:
                del self._visitors[caller]

    # --- Answering ----------------------------------------------------------------------------
    async def _send(self, page: _Page, scope: Scope, send: Send) -> None:
        seconds = int(self._clock() - page.at)
        logger.info("page.last_known", path=scope["path"], seconds=seconds)
        whole = gzip.decompress(page.body).replace(PLACE, _label(seconds), 1)
        headers = [
            *page.headers,
            (b"content-type", b"text/html; charset=utf-8"),
            (b"cache-control", b"private, no-store"),
            (b"vary", b"Accept-Encoding, Cookie"),
            (b"age", str(seconds).encode("ascii")),
            (b"warning", b'110 - "Response is Stale"'),
        ]
        accepted = dict(scope["headers"]).get(b"accept-encoding", b"")
        if b"gzip" in accepted:
            whole = await self._in_thread(partial(gzip.compress, whole, 1, mtime=0))
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", str(len(whole)).encode("ascii")))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": whole})


def _label(seconds: int) -> bytes:
    age = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
    return (
        '<aside class="site-banner site-banner-stale" role="status" aria-label="Age of the page">'
        f"<strong>Stale</strong><span>The database does not answer. This is the page of {age} ago: "
        "reload it to ask again. What you send now is not stored.</span></aside>"
    ).encode()


async def _end(task: asyncio.Future[None]) -> None:
    """Wait for an answer that nobody needs any more."""
    await asyncio.gather(task, return_exceptions=True)
