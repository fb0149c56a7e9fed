"""Calls to Polygon.io: one key, one budget for all processes, pages by the vendor's cursor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import structlog
from django.conf import settings

from config.core.errors import MalformedResponse, UnauthorisedError
from config.core.http.budget import CallBudget
from config.core.http.caller import HttpCaller
from config.core.http.pause import SharedPause
from config.core.http.servers import server_name
from greeks.providers.polygon.chains import next_page, results_of
from greeks.providers.polygon.tickers import SOURCE

logger = structlog.get_logger(__name__)

#: More pages than this mean an endless answer, not a chain.
MAXIMUM_PAGES: Final = 100
#: Try a refused key again this often: somebody has to renew it.
_KEY_REFUSED_SECONDS: Final = 300.0


def refused_key_pause(server: str) -> SharedPause:
    """Runs after the key was refused, so that nobody keeps trying it."""
    return SharedPause(f"{server}.key")


def call_budgets(base_url: str, *, calls_per_minute: int) -> list[CallBudget]:
    """Return the plan's limit on calls; none for 0."""
    if not calls_per_minute:
        return []
    return [CallBudget(server_name(SOURCE, base_url), limit=calls_per_minute, seconds=60)]


class PolygonClient(HttpCaller):
    """A 429 pauses all processes for as long as the vendor says; a call is retried only if that
    fits its own few seconds.
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
        super().__init__(
            SOURCE,
            base_url,
            timeout=timeout,
            budgets={"/": call_budgets(base_url, calls_per_minute=calls_per_minute)},
            authorise=lambda: {"Authorization": f"Bearer {api_key}"},
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

    def _get(self, path: str, parameters: Mapping[str, Any]) -> Any:
        pause = refused_key_pause(self.server)
        if pause.remaining():
            raise UnauthorisedError("The key was refused a while ago.", provider=SOURCE)
        try:
            return self.request_json("GET", path, params=parameters)
        except UnauthorisedError:
            logger.warning("polygon_key_refused")
            pause.start(_KEY_REFUSED_SECONDS)
            raise


def open_client() -> PolygonClient:
    """Open a client of the server that the settings name."""
    return PolygonClient(
        settings.POLYGON_URL,
        api_key=settings.POLYGON_API_KEY,
        calls_per_minute=settings.POLYGON_CALLS_PER_MINUTE,
        timeout=settings.PROVIDER_TIMEOUT_SECONDS,
    )
