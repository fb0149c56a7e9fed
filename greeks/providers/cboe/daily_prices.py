"""Cboe's published files of an index's daily prices: one CSV per index, its whole history.

``VIX_History.csv`` has ``DATE,OPEN,HIGH,LOW,CLOSE``, ``SPX_History.csv`` ``DATE,SPX``, with dates
as month/day/year. NSE's file of India VIX has ``Date ,Open ,High ,Low ,Close ,…`` with days like
``01-JAN-2026``. Text above the header line is passed over.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

import httpx
from django.conf import settings

from config.core.clock import now, parse_clock
from config.core.errors import InvalidInput, MalformedResponse, PermanentError, ProviderError
from config.core.http.caller import HttpCaller
from config.core.http.responses import Answer
from greeks.domain import DailyClose, Fetched, RejectedRow
from greeks.providers.cboe.quotes import SOURCE

PATH: Final = "/us_indices/daily_prices/"
_LARGEST_BYTES: Final = 10_000_000
_TIMEOUT_SECONDS: Final = 15.0
_SYMBOL: Final = re.compile(r"[A-Z0-9]{1,12}", re.ASCII)
_FORMATS: Final = ("%m/%d/%Y", "%Y-%m-%d", "%d-%b-%Y", "%d-%b-%y")


@dataclass(frozen=True, slots=True)
class _Columns:
    day: int
    close: int


def read_daily_prices(text: str, symbol: str, *, source: str) -> Fetched[DailyClose]:
    """Return the closes of a file, oldest first; the last row of a day counts.

    Rows without a valid day or a close above zero come back in ``rejected``.

    Raises:
        InvalidInput: it is no CSV, or no line has the headers of such a file.
    """
    rows = _read_rows(text)
    columns = _find_columns(rows, symbol)
    found: dict[date, Decimal] = {}
    rejected = []
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        try:
            day, close = _day(row[columns.day]), Decimal(row[columns.close].strip())
            if not (close.is_finite() and 0 < close < Decimal(10) ** 9):
                raise ValueError("the close is not above zero")
        except (ValueError, InvalidOperation, IndexError) as error:
            payload = {"row": [cell[:64] for cell in row[:12]]}
            reason = str(error)[:120] if type(error) is ValueError else "no day and close"
            rejected.append(RejectedRow(kind="daily_price", reason=reason, payload=payload))
            continue
        found[day] = close
    items = tuple(
        DailyClose(symbol=symbol, session_date=day, close=found[day]) for day in sorted(found)
    )
    return Fetched(items=items, rejected=tuple(rejected), source=source, as_of=now())


def _read_rows(text: str) -> Iterator[list[str]]:
    try:
        return iter(list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))))
    except csv.Error:
        raise InvalidInput("A file of daily prices is CSV; this one cannot be read.") from None


def _find_columns(rows: Iterator[Sequence[str]], symbol: str) -> _Columns:
    for row in rows:
        names = [cell.strip().upper() for cell in row]
        if "DATE" in names:
            for close in ("CLOSE", symbol.upper()):
                if close in names:
                    return _Columns(names.index("DATE"), names.index(close))
    raise InvalidInput(
        "The file has no line with the headers of daily prices.",
        fields={"file": f"needs DATE and CLOSE (or DATE and {symbol})"},
    )


def _day(text: str) -> date:
    for form in _FORMATS:
        try:
            return parse_clock(text.strip().title(), form).date()
        except ValueError:
            continue
    raise ValueError(f"{text.strip()[:32]!r} is not a day")


class CboeDailyPrices:
    """Downloads of the files from Cboe, or from the sandbox."""

    source = SOURCE

    def __init__(self, base_url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._caller = HttpCaller(
            SOURCE,
            base_url,
            timeout=_TIMEOUT_SECONDS,
            attempts=2,
            explain=_explain,
            transport=transport,
        )

    def fetch_closes(self, symbol: str) -> Fetched[DailyClose]:
        """Return all closes of an index, oldest first.

        Raises ``InvalidInput`` for text that is no symbol, ``PermanentError`` for an index without
        a file, and what any provider's call may raise.
        """
        if not _SYMBOL.fullmatch(symbol):
            raise InvalidInput(f"symbol: {symbol[:32]!r} is not an index of Cboe.")

        def read(answer: Answer) -> Fetched[DailyClose]:
            try:
                return read_daily_prices(
                    answer.body.decode("utf-8", "replace"), symbol, source=SOURCE
                )
            except InvalidInput as error:
                raise MalformedResponse(
                    f"{answer.what}: {error.message}", provider=SOURCE
                ) from error

        fetched: Fetched[DailyClose] = self._caller.request(
            "GET", f"{PATH}{symbol}_History.csv", read=read, maximum_bytes=_LARGEST_BYTES
        )
        return fetched

    def close(self) -> None:
        self._caller.close()


def _explain(status: int, body: bytes, message: str) -> ProviderError | None:
    """Explain 403 with XML, or 404: the store has no such file."""
    if status in (403, 404):
        return PermanentError(f"{message}: Cboe publishes no such index.", provider=SOURCE)
    return None


def open_daily_prices() -> CboeDailyPrices | None:
    """Return the provider of the settings; ``None`` without ``CBOE_URL``. The caller closes it."""
    return CboeDailyPrices(settings.CBOE_URL) if settings.CBOE_URL else None
