"""Polygon.io (renamed Massive) over REST: option chains' quotes and Greeks, and daily closes.

The vendor counts calls by the minute. So one call asks for the box of expiries and strikes that
covers an underlying's held options. If a box has more rows than a page (a leg of this week and one
of next year), the missing options of all such underlyings are fetched by name, in one list; these
underlyings are remembered as wide and fetched by list from then on. Only if the vendor refuses
lists are a chain's pages read one after the other. Underlyings not asked for longest come first:
the next minute asks for what this one left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from config.core.clock import now
from config.core.errors import ForbiddenError, PermanentError, ProviderError
from config.core.http.pause import SharedPause
from config.core.redis.client import key, redis_client
from greeks.domain import Contract, DailyClose, Fetched, Snapshot
from greeks.providers.base import ClientProvider
from greeks.providers.decoding import decode_rows
from greeks.providers.polygon.chains import (
    LIST_PATH,
    ROWS_PER_PAGE,
    SNAPSHOT_PATH,
    TICKERS_PER_LIST,
    Box,
    Chain,
    as_chain_rows,
    chains_of,
    ticker_of,
)
from greeks.providers.polygon.client import PolygonClient, open_client
from greeks.providers.polygon.snapshots import decode_daily_close, decode_snapshot
from greeks.providers.polygon.tickers import SOURCE, underlying_ticker
from greeks.providers.registry import register_provider

logger = structlog.get_logger(__name__)

AGGREGATES_PATH: Final = "/v2/aggs/ticker/"
_BARS_PER_PAGE: Final = 50_000
#: Data outside the plan is not asked for again for this long.
_REFUSED_SECONDS: Final = 3600.0
#: An underlying's box is measured again after this long.
_WIDE_SECONDS: Final = 3600.0
_ASKED_SECONDS: Final = 3600


@dataclass(slots=True)
class _Gathered:
    """What came, and why the rest did not. After a ``fatal`` error nothing more is asked."""

    rows: list[object] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    answered: bool = False
    first_error: ProviderError | None = None
    fatal: ProviderError | None = None

    def add(self, rows: Sequence[object]) -> None:
        self.answered = True
        self.rows += rows

    def fail(self, underlyings: Iterable[str], error: ProviderError) -> None:
        self.left_out |= dict.fromkeys(underlyings, error.message)
        self.first_error = self.first_error or error
        # A refused or unreadable chain says nothing about the next one; any other error does.
        if not isinstance(error, PermanentError):
            self.fatal = error


class PolygonProvider(ClientProvider[PolygonClient]):
    """``SnapshotProvider`` and ``DailyClosesProvider`` for Polygon.io; counts its calls."""

    source = SOURCE

    def fetch_snapshots(self, contracts: Sequence[Contract]) -> Fetched[Snapshot]:
        """Return quotes and Greeks of the US options among the contracts.

        ``left_out`` has, by underlying, what the call budget or a failure left out; nothing at all
        raises.
        """
        chains = {chain.underlying: chain for chain in chains_of(contracts)}
        gathered = _Gathered()
        in_turn = [chains[name] for name in self._longest_unasked_first(chains)]
        wide = [chain for chain in in_turn if self._flag("wide", chain.underlying).remaining()]
        paged = self._read_lists(gathered, wide)
        no_lists = self._flag("refused", "lists").remaining() > 0
        missing: list[Chain] = []
        for chain in in_turn:
            if chain not in wide:
                missing += self._read_chain(gathered, chain, all_pages=no_lists)
        paged += self._read_lists(gathered, missing)
        for chain in paged:
            self._read_chain(gathered, chain, all_pages=True)
        if gathered.first_error is not None and not gathered.answered:
            raise gathered.first_error
        if gathered.left_out:
            reason = str(gathered.first_error)
            logger.info("polygon_left_out", underlyings=sorted(gathered.left_out), reason=reason)
        wanted = {ticker: each for chain in in_turn for ticker, each in chain.wanted.items()}
        # A box also holds options between the legs.
        rows = [r for r in gathered.rows if (ticker := ticker_of(r)) is None or ticker in wanted]
        fetched = decode_rows(
            rows,
            partial(decode_snapshot, contracts=wanted),
            kind="snapshot",
            source=SOURCE,
            as_of=now(),
        )
        return Fetched(
            items=fetched.items,
            rejected=fetched.rejected,
            left_out=gathered.left_out,
            source=SOURCE,
            as_of=fetched.as_of,
        )

    def fetch_daily_closes(self, symbol: str, *, start: date, end: date) -> Fetched[DailyClose]:
        """Return closes adjusted for splits, oldest first, all pages or none.

        The bar of an open session ends with the current price.
        """
        ticker = quote(underlying_ticker(symbol), safe=":.")
        path = f"{AGGREGATES_PATH}{ticker}/range/1/day/{start.isoformat()}/{end.isoformat()}"
        parameters = {"adjusted": "true", "sort": "asc", "limit": _BARS_PER_PAGE}
        rows: list[Any] = []
        what = f"daily closes of {symbol}"
        for page, _ in self._client.pages(path, parameters, within=AGGREGATES_PATH, what=what):
            rows += page
        return decode_rows(
            rows,
            partial(decode_daily_close, symbol=symbol),
            kind="daily_close",
            source=SOURCE,
            as_of=now(),
        )

    def _read_chain(self, gathered: _Gathered, chain: Chain, *, all_pages: bool) -> list[Chain]:
        """Read all pages of a chain's box, or the first and return what is missing after it."""
        if gathered.fatal is not None:
            gathered.fail([chain.underlying], gathered.fatal)
            return []
        refusal = self._flag("refused", chain.underlying)
        missing: Mapping[str, Contract] = chain.wanted
        box = Box.around(chain.underlying, chain.wanted.values())
        try:
            if refusal.remaining():
                raise ForbiddenError("The vendor refused it a while ago.", provider=SOURCE)
            for rows, more in self._client.pages(
                box.path, box.parameters, within=SNAPSHOT_PATH, what=chain.underlying
            ):
                gathered.add(rows)
                self._note_asked([chain.underlying])
                came = {ticker_of(row) for row in rows}
                missing = {ticker: each for ticker, each in missing.items() if ticker not in came}
                if not missing:
                    break
                if more and not all_pages:
                    self._flag("wide", chain.underlying).start(_WIDE_SECONDS)
                    return [Chain(chain.underlying, missing)]
        except ProviderError as error:
            gathered.fail([chain.underlying], error)
            if isinstance(error, PermanentError):
                self._note_asked([chain.underlying])
            if isinstance(error, ForbiddenError) and not refusal.remaining():
                logger.warning("polygon_refused", underlying=chain.underlying)
                refusal.start(_REFUSED_SECONDS)
        return []

    def _read_lists(self, gathered: _Gathered, chains: Sequence[Chain]) -> list[Chain]:
        """Read options by name across underlyings. Returns the chains to read by pages."""
        wanted = [(ticker, chain) for chain in chains for ticker in chain.wanted]
        refusal = self._flag("refused", "lists")
        for start in range(0, len(wanted), TICKERS_PER_LIST):
            batch = wanted[start : start + TICKERS_PER_LIST]
            names = dict.fromkeys(chain.underlying for _, chain in batch)
            if gathered.fatal is not None:
                gathered.fail(names, gathered.fatal)
                continue
            if refusal.remaining():
                return list(chains)
            tickers = ",".join(ticker for ticker, _ in batch)
            parameters = {"ticker.any_of": tickers, "limit": ROWS_PER_PAGE}
            try:
                for rows, _ in self._client.pages(
                    LIST_PATH, parameters, within=LIST_PATH, what="a list of options"
                ):
                    gathered.add(as_chain_rows(rows))
            except PermanentError as error:
                logger.warning("polygon_lists_refused", reason=error.message)
                refusal.start(_REFUSED_SECONDS)
                return list(chains)
            except ProviderError as error:
                gathered.fail(names, error)
            else:
                self._note_asked(names)
        return []

    def _flag(self, what: str, name: str) -> SharedPause:
        """Return a flag about this server that all processes see for a while."""
        return SharedPause(f"{self.server}.{what}.{name}")

    def _asked_key(self) -> str:
        return key("asked", self.server)

    def _longest_unasked_first(self, names: Iterable[str]) -> list[str]:
        """Return the names, longest unasked first; in the given order without Redis."""
        try:
            rows: Any = redis_client().zrange(self._asked_key(), 0, -1, withscores=True)
        except RedisError:
            rows = ()
        asked: dict[str, float] = dict(rows)
        return sorted(names, key=lambda name: asked.get(name, 0.0))

    def _note_asked(self, names: Iterable[str]) -> None:
        moment = now().timestamp()
        try:
            pipeline = redis_client().pipeline(transaction=False)
            pipeline.zadd(self._asked_key(), dict.fromkeys(names, moment))
            pipeline.zremrangebyscore(self._asked_key(), "-inf", moment - _ASKED_SECONDS)
            pipeline.expire(self._asked_key(), _ASKED_SECONDS)
            pipeline.execute()
        except RedisError:
            return


@register_provider(SOURCE, is_configured=lambda: bool(settings.POLYGON_API_KEY))
def open_polygon() -> PolygonProvider:
    return PolygonProvider(open_client())
