"""Checks of who may have what, against the database: before a grant, and again while it lives."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from config.core.database import DATABASE_LOST, ensure_database
from config.core.front_door.grants import Authorised, CommonHeaders, Grant, Grants, authorise
from config.core.front_door.requests import Caller
from config.core.front_door.resources import Resource
from config.core.threads import InThread

logger = structlog.get_logger(__name__)

# Grants checked again per second; a recheck may take long, but no longer than a grant lives.
_MOST_CHECKS_AGAIN = 10


class AccessChecks:
    """Makes, checks and holds the grants of one door."""

    def __init__(
        self,
        in_thread: InThread,
        *,
        authorise: Callable[[Caller], Authorised | None] = authorise,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.private = Grants(clock=clock)
        # They belong to nobody, so they only expire.
        self.public = Grants(clock=clock, are_public=True)
        self.public.listen(True)
        self.authorise = authorise
        self._in_thread = in_thread
        self._clock = clock

    def grants_of(self, resource: Resource) -> Grants:
        return self.public if resource.is_public else self.private

    async def grant(
        self, resource: Resource, caller: Caller, common: CommonHeaders
    ) -> Grant | None:
        """Grant what the database allows now, unless revoked meanwhile."""
        return await self._in_thread(partial(self._grant, resource, caller, common))

    def _grant(self, resource: Resource, caller: Caller, common: CommonHeaders) -> Grant | None:
        grants = self.grants_of(resource)
        epoch = grants.epoch()
        if epoch is None:
            return None
        begun = self._clock()
        if resource.is_public:
            user_id, seconds = 0, math.inf
            key = resource.key_for(caller.credential.decode("latin-1"))
            if key is None:
                return None
        else:
            authorised = self.authorise(caller)
            if authorised is None:
                return None
            user_id = authorised.user.pk
            key = resource.key_of(authorised.user)
            seconds = authorised.seconds
        grant = Grant(
            resource=resource,
            caller=caller,
            user_id=user_id,
            key=key,
            checked=begun,
            ends=begun + seconds,
            headers=common,
        )
        return grant if grants.store(grant, epoch=epoch) else None

    async def check_due(self) -> None:
        """End grants that the database no longer allows, and extend none; while it cannot be asked,
        hold all.

        Revocations are heard at once; this catches changes nobody announces and lost messages.
        """
        due = self.private.due(most=_MOST_CHECKS_AGAIN)
        if not due:
            return
        try:
            await self._in_thread(partial(self._check_again, due))
        except DATABASE_LOST as error:
            logger.warning("front_door.access_not_checked", reason=type(error).__name__)
            self.private.hold()

    def _check_again(self, grants: Sequence[Grant]) -> None:
        ensure_database()
        for grant in grants:
            begun = self._clock()
            authorised = self.authorise(grant.caller)
            if (
                authorised is None
                or authorised.user.pk != grant.user_id
                or grant.resource.key_of(authorised.user) != grant.key
            ):
                self.private.revoke_user(grant.user_id)
            else:
                grant.ends = begun + authorised.seconds
                grant.expires = min(grant.expires, grant.ends)
                grant.checked = begun
