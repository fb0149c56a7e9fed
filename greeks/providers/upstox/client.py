"""Calls to Upstox: the desk's token, one budget for all processes, and pauses that keep it
silent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

import httpx
import structlog

from auth_tokens.broker_tokens.manager import ProviderToken
from config.core.errors import ForbiddenError, ProviderClosed
from config.core.http.budget import CallBudget
from config.core.http.caller import HttpCaller
from config.core.http.pause import SharedPause
from config.core.http.responses import Answer
from config.core.http.servers import server_name
from greeks.providers.upstox.names import SOURCE, closed, explain

logger = structlog.get_logger(__name__)

Result = TypeVar("Result")

#: The vendor's windows as (calls, seconds), per user. No header says how much is left.
WINDOWS: Final = ((50, 1.0), (500, 60.0), (2000, 1800.0))
#: After one call too many the vendor names no wait.
_PENALTY_SECONDS: Final = 5.0
#: A forbidden call is not repeated for this long: somebody has to look.
_FORBIDDEN_SECONDS: Final = 300.0


def closed_pause(server: str) -> SharedPause:
    """Runs while the vendor is closed for the night."""
    return SharedPause(f"{server}.closed")


def forbidden_pause(server: str) -> SharedPause:
    """Runs after the vendor forbade a call."""
    return SharedPause(f"{server}.forbidden")


class Token(Protocol):
    """Headers for each attempt, and the reaction to a 401."""

    def authorise(self) -> Mapping[str, str]: ...

    def renew(self) -> None: ...


def call_budgets(base_url: str) -> list[CallBudget]:
    """Return the vendor's limits on calls, one per window."""
    server = server_name(SOURCE, base_url)
    return [
        CallBudget(f"{server}.{seconds:g}s", limit=limit, seconds=seconds)
        for limit, seconds in WINDOWS
    ]


class UpstoxClient(HttpCaller):
    """GETs of one server. A refused token is renewed once, and the call repeated once.

    ``token``: the desk's own unless another is given.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        token: Token | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        token = token or ProviderToken(SOURCE)
        super().__init__(
            SOURCE,
            base_url,
            timeout=timeout,
            budgets={"/": call_budgets(base_url)},
            authorise=token.authorise,
            renew=token.renew,
            explain=explain,
            penalty_seconds=_PENALTY_SECONDS,
            # Every chain is fetched again within seconds anyway.
            attempts=2,
            transport=transport,
        )

    def get(
        self, path: str, parameters: Mapping[str, Any], *, read: Callable[[Answer], Result]
    ) -> Result:
        """Return ``read`` of the answer.

        Raises ``ProviderClosed`` at night and ``ForbiddenError`` for a while after a 403, both
        without a call.
        """
        if seconds := closed_pause(self.server).remaining():
            raise closed(seconds)
        if forbidden_pause(self.server).remaining():
            raise ForbiddenError("Upstox forbade it a while ago.", provider=SOURCE)
        try:
            return self.request("GET", path, params=parameters, read=read)
        except ProviderClosed as error:
            closed_pause(self.server).start(error.retry_after or _PENALTY_SECONDS)
            raise
        except ForbiddenError as error:
            logger.warning("upstox_forbidden", reason=error.message)
            forbidden_pause(self.server).start(_FORBIDDEN_SECONDS)
            raise
