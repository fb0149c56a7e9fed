"""Downloads of Cboe's delayed quotes: one per symbol serves every caller and expiry."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Final

import httpx

from config.core.errors import InvalidInput, PermanentError, ProviderError
from config.core.http.caller import HttpCaller
from config.core.http.renewal import Renewal
from config.core.http.responses import NOT_MODIFIED, Answer
from config.core.redis.process_copies import ProcessCopies
from greeks.indices import is_index
from greeks.providers.cboe.quotes import SOURCE, QuoteFile, decode_file

PATH: Final = "/delayed_quotes/options/"
#: All options of SPX are a dozen megabytes and take a while.
_LARGEST_BYTES: Final = 60_000_000
_TIMEOUT_SECONDS: Final = 15.0
_SYMBOL: Final = re.compile(r"[A-Z0-9][A-Z0-9.]{0,11}", re.ASCII)


@dataclass(slots=True)
class _Kept:
    """The last download of a symbol, and the one in progress."""

    file: QuoteFile | None = None
    etag: str = ""
    fetched_at: float = float("-inf")
    download: Renewal = field(default_factory=Renewal)


_kept: ProcessCopies[_Kept] = ProcessCopies(_Kept)


class CboeClient(HttpCaller):
    """Every caller in the process shares a download for ``refresh_seconds``; the next request asks
    only whether anything changed.
    """

    def __init__(
        self,
        base_url: str,
        *,
        refresh_seconds: float,
        timeout: float = _TIMEOUT_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._refresh_seconds = refresh_seconds
        super().__init__(
            SOURCE, base_url, timeout=timeout, attempts=2, explain=_explain, transport=transport
        )

    def quotes(self, instrument_key: str) -> QuoteFile:
        """Return quotes of all options of an underlying (``SPX``, ``AAPL``).

        They are at most ``refresh_seconds`` old.

        Raises ``InvalidInput`` for text that is no symbol, ``PermanentError`` for one without
        options.
        """
        name = _file_name(instrument_key)
        asked_at = time.monotonic()
        with _kept.lock:
            kept = _kept.get(f"{self.server}/{name}")
        if kept.file is None or asked_at - kept.fetched_at >= self._refresh_seconds:
            kept.download.run_once(lambda: self._download(name, kept), after=asked_at)
        if kept.file is None:
            raise PermanentError(f"Cboe: {name} was not read.", provider=SOURCE)
        return kept.file

    def _download(self, name: str, kept: _Kept) -> None:
        condition = {"If-None-Match": kept.etag} if kept.file is not None and kept.etag else {}

        def read(answer: Answer) -> QuoteFile | None:
            if answer.status == NOT_MODIFIED:
                return kept.file
            file = decode_file(answer)
            kept.etag = answer.headers.get("etag", "")
            return file

        kept.file = self.request(
            "GET",
            f"{PATH}{name}.json",
            read=read,
            headers=condition,
            maximum_bytes=_LARGEST_BYTES,
        )
        kept.fetched_at = time.monotonic()


def _file_name(instrument_key: str) -> str:
    """``SPX`` → ``_SPX``: indices have a leading underscore."""
    symbol = instrument_key.strip().upper().lstrip("_^")
    if not _SYMBOL.fullmatch(symbol):
        raise InvalidInput(f"instrument_key: {instrument_key[:32]!r} is not a Cboe symbol.")
    return f"_{symbol}" if is_index(symbol) or instrument_key.startswith(("_", "^")) else symbol


def _explain(status: int, body: bytes, message: str) -> ProviderError | None:
    """Explain 403 with XML, or 404: the store has no file for a symbol without options."""
    if status in (403, 404):
        return PermanentError(f"{message}: Cboe has no options file for it.", provider=SOURCE)
    return None
