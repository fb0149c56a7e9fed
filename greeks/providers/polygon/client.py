"""Calls to Polygon.io: one key, one budget for all processes, pages by the vendor's cursor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import structlog

from config.core.errors import MalformedResponse, UnauthorisedError
from config.core.http.budget import CallBudget
from config.core.http.caller import HttpCaller
from config.core.http.pause import SharedPause
from greeks.providers.polygon.chains import next_page, results_of
from greeks.providers.polygon.tickers import SOURCE

logger = structlog.get_logger(__name__)

#: More pages than this mean an endless answer, not a chain.
MAXIMUM_PAGES: Final = 100
#: Try a refused key again this often: somebody has to renew it.
_KEY_REFUSED_SECONDS: Final = 300.0


def server_name(base_url: str) -> str:
    """Return the name for calls, budget and breaker: a sandbox starts with a clean slate."""
    return f"{SOURCE}@{urlsplit(base_url).netloc}"


def refused_key_pause(server: str) -> SharedPause:
    """Runs after the key was refused, so that nobody keeps trying it."""
    return SharedPause(f"{server}.key")


class PolygonClient:
    """A 429 pauses all processes for as long as the vendor says; a call is retried only if that
    fits its own few seconds. ``calls`` counts the requests sent.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str,
        calls_per_minute: int,
        timeout: float,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.calls = 0
        self.server = server_name(base_url)
        self._api_key = api_key
        budgets = None
        if calls_per_minute:
            budgets = {"/": CallBudget(self.server, limit=calls_per_minute, seconds=60)}
        self._caller = HttpCaller(
            SOURCE,
            base_url,
            timeout=timeout,
            budgets=budgets,
            authorise=self._authorise,
            attempts=2,
            transport=transport,
        )

    def pages(
        self, path: str, parameters: Mapping[str, Any], *, within: str, what: str
    ) -> Iterator[tuple[list[Any], bool]]:
        """Yield the rows of each page, and whether another follows.

        The next page's path must begin with ``within``; ``what`` names the answer in errors.
        """
        for _ in range(MAXIMUM_PAGES):
            answer = self._get(path, parameters)
            rows = results_of(answer, what=what)
            following = next_page(answer, within=within)
            yield rows, following is not None
            if following is None:
                return
            path, parameters = following
        raise MalformedResponse(f"{what}: more than {MAXIMUM_PAGES} pages", provider=SOURCE)

    def close(self) -> None:
        self._caller.close()

    def _get(self, path: str, parameters: Mapping[str, Any]) -> Any:
        pause = refused_key_pause(self.server)
        if pause.remaining():
            raise UnauthorisedError("The key was refused a while ago.", provider=SOURCE)
        try:
            return self._caller.request_json("GET", path, params=parameters)
        except UnauthorisedError:
            logger.warning("polygon_key_refused")
            pause.start(_KEY_REFUSED_SECONDS)
            raise

    def _authorise(self) -> Mapping[str, str]:
        # Runs once per attempt.
        self.calls += 1
        return {"Authorization": f"Bearer {self._api_key}"}
