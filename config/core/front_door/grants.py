"""Who may have what for the next minute: grants in this process's memory, revoked by broadcast.

A grant rests on a check of the database. A revocation committed after the check and heard before
the grant is stored must win, so the epoch is read before the check, and a grant is stored only if
no revocation was heard since.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any
from weakref import WeakSet

from django.conf import settings
from django.utils.module_loading import import_string

from config.core.front_door.requests import Caller
from config.core.front_door.resources import Key, Resource
from config.core.front_door.throttle import Allowance

#: The hub's group that announces whose access changed.
ACCESS_GROUP = "access"
#: No grant outlives its check by more than this.
LONGEST_SECONDS = 60.0
#: A grant is checked again this long after its last check, whatever was announced.
RECHECK_SECONDS = 5.0
#: While the database cannot be asked, a grant lives on for this long after its last check.
OUTAGE_SECONDS = 600.0
MOST_GRANTS = 10_000
# One person's tabs, devices and scripts; more than that push each other out.
MOST_OF_ONE_USER = 32
#: The number of public query strings that the door answers. Strangers choose them, so they are kept
#: apart and cannot push out users' grants.
MOST_PUBLIC = 1_000


@dataclass(slots=True, eq=False)
class CommonHeaders:
    """Headers shared by all answers to a caller. Compared by identity: this is a hot path."""

    headers: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Authorised:
    """A credential that is good now: whose it is, and for how many more seconds."""

    user: Any
    seconds: float


@dataclass(slots=True, eq=False, kw_only=True)
class Grant:
    """One caller's right to one key's body of one resource, until ``expires`` (monotonic).

    ``ends``: when the session or token itself does.
    """

    resource: Resource
    caller: Caller
    user_id: int
    key: Key
    checked: float
    ends: float
    headers: CommonHeaders
    name: tuple[str, Key] = field(init=False)
    expires: float = field(init=False)
    allowance: Allowance = field(default_factory=Allowance)

    def __post_init__(self) -> None:
        self.name = (self.resource.name, self.key)
        self.expires = min(self.checked + LONGEST_SECONDS, self.ends)


class Grants:
    """The grants of one door. ``get`` is for the event loop; all else may be called from threads.

    ``clock`` is monotonic seconds. ``are_public``: grants belong to nobody, so no per-user limit.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        are_public: bool = False,
    ) -> None:
        self._clock = clock
        self._are_public = are_public
        # Hot path: ``get`` takes no lock and moves nothing, so the oldest grant is dropped first.
        self._grants: OrderedDict[tuple[str, Caller], Grant] = OrderedDict()
        self._of_user: dict[int, OrderedDict[tuple[str, Caller], None]] = {}
        self._lock = threading.Lock()
        self._epoch = 0
        self._is_listening = False
        _live.add(self)

    def get(self, resource: Resource, caller: Caller, moment: float) -> Grant | None:
        """Return the caller's grant if it is valid at ``moment``."""
        grant = self._grants.get((resource.name, caller))
        return grant if grant is not None and moment < grant.expires else None

    # --- Making ------------------------------------------------------------------------------
    def epoch(self) -> int | None:
        """Return the epoch to read before the check; ``None`` while revocations cannot be heard."""
        with self._lock:
            return self._epoch if self._is_listening else None

    def store(self, grant: Grant, *, epoch: int) -> bool:
        """Store the grant and return ``True``, unless anything was revoked since ``epoch``."""
        name = (grant.resource.name, grant.caller)
        with self._lock:
            if not self._is_listening or epoch != self._epoch:
                return False
            self._forget(name)
            self._grants[name] = grant
            of_user = self._of_user.setdefault(grant.user_id, OrderedDict())
            of_user[name] = None
            if len(of_user) > MOST_OF_ONE_USER and not self._are_public:
                self._forget(next(iter(of_user)))
            if len(self._grants) > (MOST_PUBLIC if self._are_public else MOST_GRANTS):
                self._forget(next(iter(self._grants)))
            return True

    # --- Ending ------------------------------------------------------------------------------
    def revoke_user(self, user_id: int) -> None:
        """Drop the user's grants, and abort every check under way."""
        with self._lock:
            self._epoch += 1
            for name in tuple(self._of_user.get(user_id, ())):
                self._forget(name)

    def revoke(self, told: object) -> None:
        """Drop the grants of the user that a message names, or all if it names none."""
        if isinstance(told, int):
            self.revoke_user(told)
        else:
            self.revoke_all()

    def revoke_all(self) -> None:
        with self._lock:
            self._epoch += 1
            self._grants.clear()
            self._of_user.clear()

    def listen(self, is_listening: bool) -> None:
        """Note whether revocations can be heard; if not, drop everything and grant nothing."""
        with self._lock:
            self._is_listening = is_listening
        if not is_listening:
            self.revoke_all()

    def drop_expired(self) -> None:
        moment = self._clock()
        with self._lock:
            for name, grant in tuple(self._grants.items()):
                if grant.expires <= moment:
                    self._forget(name)

    def hold(self) -> None:
        """Let grants outlive their minute, because the database cannot be asked now."""
        moment = self._clock()
        with self._lock:
            for grant in self._grants.values():
                latest = min(grant.ends, grant.checked + OUTAGE_SECONDS)
                grant.expires = min(moment + LONGEST_SECONDS, latest)

    def due(self, *, most: int) -> list[Grant]:
        """Return private grants due for another check, the longest unchecked first."""
        latest = self._clock() - RECHECK_SECONDS
        with self._lock:
            due = [
                grant
                for grant in self._grants.values()
                if grant.checked <= latest and not grant.resource.is_public
            ]
        return nsmallest(most, due, key=lambda grant: grant.checked)

    def _forget(self, name: tuple[str, Caller]) -> None:
        """Remove one grant. Hold the lock."""
        grant = self._grants.pop(name, None)
        if grant is None:
            return
        of_user = self._of_user[grant.user_id]
        of_user.pop(name, None)
        if not of_user:
            del self._of_user[grant.user_id]

    def in_use(self) -> set[tuple[str, Key]]:
        """Return resource and key of every grant."""
        with self._lock:
            return {grant.name for grant in self._grants.values()}

    def __len__(self) -> int:
        return len(self._grants)


_live: WeakSet[Grants] = WeakSet()


def revoke_here(user_id: int) -> None:
    """Drop the user's grants in this process at once; other processes hear of it."""
    for grants in tuple(_live):
        grants.revoke_user(user_id)


# --- Who a credential belongs to ----------------------------------------------------------------
def authorise(caller: Caller) -> Authorised | None:
    """Ask the database whose credential it is; ``None`` if nobody's."""
    found: Authorised | None = import_string(settings.FRONT_DOOR_AUTHORISER)(caller)
    return found
