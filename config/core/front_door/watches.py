"""Which bodies are being read here, and whether they are still the committed ones.

The first grant of a key opens a watch. It hears of new versions over the hub and also checks the
committed rows each second, with one query for all watched keys of a resource. A body is served only
while confirmed by a check no older than ``GOOD_SECONDS``, or as the last known one while the
database does not answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from config.core.database import DATABASE_LOST, ensure_database
from config.core.front_door.bodies import Prepared
from config.core.front_door.resources import Key, Resource
from config.core.live.hub import hub
from config.core.threads import InThread

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
GOOD_SECONDS = 3.0
#: A body not requested for this long is no longer checked: the next reader waits for one look.
READ_SECONDS = 5.0
#: One look builds bodies for this long; Django answers for the rest meanwhile.
BUILD_SECONDS = 0.5
#: A look that takes longer waits for a database that hangs.
HANGING_SECONDS = 1.0

Name = tuple[str, Key]


@dataclass(slots=True, eq=False)
class Watch:
    """One key's body in this process."""

    resource: Resource
    key: Key
    read_at: float
    prepared: Prepared | None = None
    #: While no newer version is known than the prepared one.
    is_current: bool = False
    #: Since a look that did not reach the database.
    is_lost: bool = False
    announced: int = 0
    confirmed_at: float = float("-inf")
    asked_at: float = float("-inf")

    def distrust(self) -> None:
        """Mark the body as unconfirmed until the next check, because something was announced."""
        self.announced += 1
        self.is_current = False


class Watches:
    """The watches of one door, on its event loop."""

    def __init__(self, in_thread: InThread, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._in_thread = in_thread
        self._clock = clock
        self._watches: dict[Name, Watch] = {}
        self._listeners: dict[Name, Callable[[dict[str, Any]], None]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._due: set[Name] = set()
        self._look_begun: float | None = None

    def get(self, name: Name) -> Watch | None:
        return self._watches.get(name)

    def current(self, watch: Watch, moment: float) -> Prepared | None:
        """Return the watch's body if, as far as can be known, it is the committed one at
        ``moment``."""
        watch.read_at = moment
        prepared = watch.prepared
        if (
            prepared is None
            or not prepared.is_kept
            or not watch.is_current
            or moment - watch.confirmed_at > GOOD_SECONDS
            or time.time() >= prepared.valid_until
        ):
            return None
        return prepared

    def last_known(self, watch: Watch, moment: float) -> Prepared | None:
        """Return the body that was the committed one when the database last answered; ``None``
        while it does."""
        hangs = self._look_begun is not None and moment - self._look_begun > HANGING_SECONDS
        prepared = watch.prepared
        if prepared is None or not prepared.is_kept or not (watch.is_lost or hangs):
            return None
        return prepared

    async def open(self, resource: Resource, key: Key) -> Watch:
        """Watch a key from now on; return after the first check."""
        name = (resource.name, key)
        watch = self._watches.get(name)
        if watch is None:
            watch = self._watches[name] = Watch(resource, key, read_at=self._clock())

            def listener(message: dict[str, Any]) -> None:
                if not resource.source.heard(message):
                    return
                watch.distrust()
                if self._is_read(watch):
                    self.look_soon([watch])

            self._listeners[name] = listener
            # First the subscription, then the look: what is committed in between is announced.
            for group in resource.source.groups_of(key):
                await hub().join(group, listener)
        if not watch.is_current:
            await self.look_soon([watch])
        return watch

    async def renewed(self, watch: Watch, *, seconds: float) -> Prepared | None:
        """Return the body after another check, if that takes at most ``seconds``."""
        if watch.prepared is None and watch.is_current:
            # A look has just found that there is nothing to prepare.
            return None
        await asyncio.wait({self.look_soon([watch])}, timeout=seconds)
        return self.current(watch, self._clock())

    async def close_unused(self, in_use: Collection[Name]) -> None:
        for name in [name for name in self._watches if name not in in_use]:
            watch, listener = self._watches.pop(name), self._listeners.pop(name)
            for group in watch.resource.source.groups_of(watch.key):
                await hub().leave(group, listener)

    def forget_bodies(self) -> None:
        """Trust no prepared version until it has been checked again."""
        for watch in self._watches.values():
            watch.distrust()
            watch.prepared = None

    # --- Looking -----------------------------------------------------------------------------
    def look_soon(self, watches: Iterable[Watch]) -> asyncio.Task[None]:
        """Check the committed state of these, together with whatever else is due."""
        self._due.update((watch.resource.name, watch.key) for watch in watches)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look_at_due())
        return self._looking

    def look_at_all(self) -> asyncio.Task[None]:
        """Check everything that is being read."""
        return self.look_soon([watch for watch in self._watches.values() if self._is_read(watch)])

    def _is_read(self, watch: Watch) -> bool:
        return self._clock() - watch.read_at < READ_SECONDS

    async def _look_at_due(self) -> None:
        while self._due:
            due, self._due = self._due, set()
            watches = [self._watches[name] for name in due if name in self._watches]
            for resource in {watch.resource for watch in watches}:
                await self._look([watch for watch in watches if watch.resource == resource])

    async def _look(self, watches: list[Watch]) -> None:
        """Compare with the committed state, rebuild what differs, and confirm the rest."""
        begun = self._clock()
        announced = {watch.key: watch.announced for watch in watches}
        resource = watches[0].resource
        before = {watch.key: watch.prepared for watch in watches}
        self._look_begun = begun
        try:
            bodies = await self._in_thread(partial(_bodies_of, resource, before))
        except Exception as error:  # noqa: BLE001 - whatever it is, Django answers meanwhile
            logger.warning(
                "front_door.look_failed", resource=resource.name, reason=type(error).__name__
            )
            for watch in watches:
                watch.is_lost = isinstance(error, DATABASE_LOST)
            return
        finally:
            self._look_begun = None
        for watch in watches:
            watch.is_lost = False
            watch.prepared = bodies.get(watch.key)
            if watch.announced == announced[watch.key]:
                watch.confirmed_at = begun
                watch.is_current = True
            else:
                self._due.add((resource.name, watch.key))


def _bodies_of(
    resource: Resource, before: dict[Key, Prepared | None]
) -> dict[Key, Prepared | None]:
    """In a thread: return each key's committed body, building it if the known one is outdated."""
    ensure_database()
    source = resource.source
    states = source.states_of(tuple(before))
    latest = time.monotonic() + BUILD_SECONDS
    bodies: dict[Key, Prepared | None] = {}
    for key, state in states.items():
        known = source.kept(key, state)
        if known is None or time.time() >= known.valid_until:
            known = source.prepare(key) if time.monotonic() < latest else None
        bodies[key] = known
    return bodies
