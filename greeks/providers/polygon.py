"""Polygon.io (renamed Massive) over REST: option chains' quotes and Greeks, and daily closes.

The vendor counts calls by the minute, so all processes share one budget, and the underlyings that
were not asked for the longest time come first: whatever one minute left out, the next one asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx
import structlog
from django.conf import settings
from redis.exceptions import RedisError

from config.core.clock import now
from config.core.errors import (
    ForbiddenError,
    MalformedResponse,
    PermanentError,
    ProviderError,
    UnauthorisedError,
)
from config.core.http.budget import CallBudget
from config.core.http.caller import HttpCaller
from config.core.http.pause import SharedPause
from config.core.redis_client import key, redis_client
from greeks.domain import Contract, DailyClose, Fetched, Snapshot
from greeks.providers.decoding import decode_rows
from greeks.providers.polygon_chains import (
    SNAPSHOT_PATH,
    Box,
    Chain,
    chains_of,
    expiry_of,
    next_page,
    results_of,
    ticker_of,
)
from greeks.providers.polygon_snapshots import decode_daily_close, decode_snapshot
from greeks.providers.polygon_tickers import SOURCE, underlying_ticker
from greeks.providers.registry import register_provider

logger = structlog.get_logger(__name__)

AGGREGATES_PATH: Final = "/v2/aggs/ticker/"
#: More pages than this are a provider that never ends, not a chain.
MAXIMUM_PAGES: Final = 100
_BARS_PER_PAGE: Final = 50_000
#: What the plan does not include is not asked for again for this long.
_REFUSED_SECONDS: Final = 3600.0
#: A refused key is tried again this often: somebody has to renew it.
_KEY_REFUSED_SECONDS: Final = 300.0
_ASKED_SECONDS: Final = 3600


def server_name(base_url: str) -> str:
    """What calls, budget and breaker are counted under: a sandbox starts with a clean slate."""
    return f"{SOURCE}@{urlsplit(base_url).netloc}"


def refused_key_pause(server: str) -> SharedPause:
    """Runs after the key was refused: nobody tries it again and again."""
    return SharedPause(f"{server}.key")


class PolygonProvider:
    """``SnapshotProvider`` and ``DailyClosesProvider`` for Polygon.io.

    A 429 pauses all processes for as long as the vendor says; a call is repeated only where that
    fits into its own few seconds. ``calls`` counts the requests that this object has sent.
    """

    source = SOURCE

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
        self._api_key = api_key
        server = server_name(base_url)
        self._asked_key = key("asked", server)
        self._server = server
        budget = (
            CallBudget(server, limit=calls_per_minute, seconds=60) if calls_per_minute else None
        )
        self._caller = HttpCaller(
            SOURCE,
            base_url,
            timeout=timeout,
            budgets={"/": budget} if budget else None,
            authorise=self._authorise,
            attempts=2,
            transport=transport,
        )

    def fetch_snapshots(self, contracts: Sequence[Contract]) -> Fetched[Snapshot]:
        """Quotes and Greeks of the options of the United States among the contracts.

        One call for each underlying, and more where its pages are many. What the call budget or a
        failure left out is in ``left_out`` by underlying; if nothing came at all, that raises.
        """
        rows: list[object] = []
        wanted: dict[str, Contract] = {}
        left_out: dict[str, str] = {}
        first_error: ProviderError | None = None
        fatal: ProviderError | None = None
        answered = False
        chains = {chain.underlying: chain for chain in chains_of(contracts)}
        for chain in map(chains.__getitem__, self._longest_unasked_first(chains)):
            wanted |= chain.wanted
            if fatal is not None:
                left_out[chain.underlying] = fatal.message
                continue
            try:
                for page in self._pages(chain):
                    answered = True
                    rows += page
            except ProviderError as error:
                left_out[chain.underlying] = error.message
                first_error = first_error or error
                # A refused or unreadable chain says nothing about the next one; all else does.
                if isinstance(error, PermanentError):
                    self._note_asked(chain.underlying)
                else:
                    fatal = error
        if first_error is not None and not answered:
            raise first_error
        if left_out:
            logger.info("polygon_left_out", underlyings=sorted(left_out), reason=str(first_error))
        # A box holds what lies between the legs too.
        asked_for = [row for row in rows if (ticker := ticker_of(row)) is None or ticker in wanted]
        fetched = decode_rows(
            asked_for,
            partial(decode_snapshot, contracts=wanted),
            kind="snapshot",
            source=SOURCE,
            as_of=now(),
        )
        return Fetched(
            items=fetched.items,
            rejected=fetched.rejected,
            left_out=left_out,
            source=SOURCE,
            as_of=fetched.as_of,
        )

    def fetch_daily_closes(self, symbol: str, *, start: date, end: date) -> Fetched[DailyClose]:
        """Closes adjusted for splits, oldest first, all pages or none."""
        ticker = quote(underlying_ticker(symbol), safe=":.")
        path = f"{AGGREGATES_PATH}{ticker}/range/1/day/{start.isoformat()}/{end.isoformat()}"
        parameters: dict[str, Any] = {"adjusted": "true", "sort": "asc", "limit": _BARS_PER_PAGE}
        rows: list[object] = []
        for _ in range(MAXIMUM_PAGES):
            answer = self._get(path, parameters)
            rows += results_of(answer, what=f"daily closes of {symbol}")
            following = next_page(answer, within=AGGREGATES_PATH)
            if following is None:
                return decode_rows(
                    rows,
                    partial(decode_daily_close, symbol=symbol),
                    kind="daily_close",
                    source=SOURCE,
                    as_of=now(),
                )
            path, parameters = following
        raise MalformedResponse(f"{symbol}: more than {MAXIMUM_PAGES} pages", provider=SOURCE)

    def close(self) -> None:
        self._caller.close()

    def _get(self, path: str, parameters: Mapping[str, Any]) -> Any:
        pause = refused_key_pause(self._server)
        if pause.remaining():
            raise UnauthorisedError("The key was refused a while ago.", provider=SOURCE)
        try:
            return self._caller.request_json("GET", path, params=parameters)
        except UnauthorisedError:
            logger.warning("polygon_key_refused")
            pause.start(_KEY_REFUSED_SECONDS)
            raise

    def _authorise(self) -> Mapping[str, str]:
        # Asked for each try, and for nothing else.
        self.calls += 1
        return {"Authorization": f"Bearer {self._api_key}"}

    def _pages(self, chain: Chain) -> Iterator[list[Any]]:
        """The rows of each call, until all that is wanted came or the vendor has no more."""
        refusal = SharedPause(f"{self._server}.refused.{chain.underlying}")
        if refusal.remaining():
            raise ForbiddenError(
                f"{chain.underlying}: the vendor refused it a while ago.", provider=SOURCE
            )
        remaining = dict(chain.wanted)
        boxes = deque([Box.around(chain.underlying, remaining.values())])
        while boxes:
            box = boxes.popleft()
            try:
                for rows, reached, is_first in self._pages_of(box):
                    self._note_asked(chain.underlying, box.name)
                    yield rows
                    for row in rows:
                        remaining.pop(ticker_of(row) or "", None)
                    missing = [c for c in remaining.values() if box.holds(c)]
                    if not missing:
                        break
                    if is_first and (narrower := box.narrowed(missing, reached=reached)):
                        by_name = {each.name: each for each in narrower}
                        boxes.extend(map(by_name.__getitem__, self._longest_unasked_first(by_name)))
                        break
            except ForbiddenError:
                logger.warning("polygon_refused", underlying=chain.underlying)
                refusal.start(_REFUSED_SECONDS)
                raise

    def _pages_of(self, box: Box) -> Iterator[tuple[list[Any], date | None, bool]]:
        """Rows, the last expiry among them where another page follows, and if it is the first."""
        path: str = box.path
        parameters: Mapping[str, Any] = box.parameters
        for number in range(MAXIMUM_PAGES):
            answer = self._get(path, parameters)
            rows = results_of(answer, what=box.underlying)
            following = next_page(answer, within=SNAPSHOT_PATH)
            if following is None:
                # Nothing is left to save by narrowing.
                yield rows, None, False
                return
            expiries = [expiry for row in rows if (expiry := expiry_of(row))]
            yield rows, max(expiries, default=None), number == 0
            path, parameters = following
        raise MalformedResponse(
            f"{box.underlying}: more than {MAXIMUM_PAGES} pages", provider=SOURCE
        )

    def _longest_unasked_first(self, names: Iterable[str]) -> list[str]:
        """As given where Redis does not know."""
        try:
            rows: Any = redis_client().zrange(self._asked_key, 0, -1, withscores=True)
        except RedisError:
            rows = ()
        asked: dict[str, float] = dict(rows)
        return sorted(names, key=lambda name: asked.get(name, 0.0))

    def _note_asked(self, *names: str) -> None:
        moment = now().timestamp()
        try:
            pipeline = redis_client().pipeline(transaction=False)
            pipeline.zadd(self._asked_key, dict.fromkeys(names, moment))
            pipeline.zremrangebyscore(self._asked_key, "-inf", moment - _ASKED_SECONDS)
            pipeline.expire(self._asked_key, _ASKED_SECONDS)
            pipeline.execute()
        except RedisError:
            return


@register_provider(SOURCE, is_configured=lambda: bool(settings.POLYGON_API_KEY))
def open_polygon() -> PolygonProvider:
    """The provider as the settings describe it."""
    return PolygonProvider(
        settings.POLYGON_URL,
        api_key=settings.POLYGON_API_KEY,
        calls_per_minute=settings.POLYGON_CALLS_PER_MINUTE,
        timeout=settings.PROVIDER_TIMEOUT_SECONDS,
    )
