"""The streamer beside the REST API: its token, its symbols and what it has already sent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from django.conf import settings

from config.core.errors import MalformedResponse
from greeks.domain import Contract, InstrumentKind, Snapshot
from greeks.providers.decoding import BadRow, parse_text, parse_time
from greeks.providers.streamed_values import read_streamed
from greeks.providers.tastytrade_dxlink.symbols import streamer_symbol
from greeks.providers.tastytrade_dxlink.token import StreamerToken
from portfolio.brokers.tastytrade.contracts import SOURCE, items_of
from portfolio.brokers.tastytrade.symbols import tastytrade_symbol

Get = Callable[[str, Mapping[str, Any]], Any]
NOT_LISTED: Final[Mapping[str, str]] = {}
_LISTS: Final = {"/instruments/futures": "/", "/instruments/future-options": "./"}
_LISTED_PER_CALL: Final = 50
_LONGEST: Final = 64
_DATED: Final = frozenset({InstrumentKind.FUTURE, InstrumentKind.FUTURE_OPTION})
#: Token lifetime in seconds if the answer does not tell.
TOKEN_LIFETIME: Final = 24 * 3600.0


def decode_streamer_token(answer: object) -> StreamerToken:
    """Decode the token of /api-quote-tokens. Raises MalformedResponse if unusable."""
    data = answer.get("data", answer) if isinstance(answer, Mapping) else None
    if not isinstance(data, Mapping):
        raise MalformedResponse("api-quote-tokens: the answer is not an object", provider=SOURCE)
    try:
        token = parse_text(data.get("token"), "token", required=True, maximum=4096)
        url = parse_text(data.get("dxlink-url"), "dxlink-url", required=True)
        return StreamerToken(token=token, url=url, lifetime=_lifetime(data))
    except BadRow as error:
        # The exception may quote the field's value; a token must not leak.
        field = error.reason.partition(":")[0]
        raise MalformedResponse(f"api-quote-tokens: {field} is unusable", provider=SOURCE) from None


def _lifetime(data: Mapping[str, Any]) -> float:
    issued, expires = (parse_time(data.get(name), name) for name in ("issued-at", "expires-at"))
    if issued is None or expires is None or expires <= issued:
        return TOKEN_LIFETIME
    return min((expires - issued).total_seconds(), TOKEN_LIFETIME)


def fetch_streamer_symbols(get: Get, symbols: Collection[str]) -> dict[str, str]:
    """Return streamer symbols by symbol of futures and of options on them.

    They carry the exchange, which only the vendor's lists tell. Absent: not streamed.
    """
    found: dict[str, str] = {}
    for path, prefix in _LISTS.items():
        wanted = sorted(symbol for symbol in symbols if symbol.startswith(prefix))
        for start in range(0, len(wanted), _LISTED_PER_CALL):
            batch = wanted[start : start + _LISTED_PER_CALL]
            for row in items_of(get(path, {"symbol[]": batch}), path):
                if not isinstance(row, Mapping):
                    continue
                symbol, streamer = row.get("symbol"), row.get("streamer-symbol")
                if isinstance(symbol, str) and isinstance(streamer, str):
                    found[symbol] = streamer if len(streamer) <= _LONGEST else ""
    return found


def unnamed_symbols(contracts: Iterable[Contract]) -> set[str]:
    """Return Tastytrade's symbols of the contracts whose streamer symbols a call must tell."""
    symbols = (tastytrade_symbol(c) for c in contracts if c.kind in _DATED)
    return {symbol for symbol in symbols if symbol}


def streamed_symbols(
    contracts: Iterable[Contract], listed: Mapping[str, str] = NOT_LISTED
) -> dict[str, Contract]:
    """Return contracts by streamer symbol, without those Tastytrade does not stream.

    ``listed`` is what ``fetch_streamer_symbols`` returned.
    """
    found: dict[str, Contract] = {}
    for contract in contracts:
        symbol = tastytrade_symbol(contract)
        streamer = None
        if symbol:
            streamer = listed.get(symbol) or streamer_symbol(contract.kind, symbol)
        if streamer is not None:
            found.setdefault(streamer, contract)
    return found


def fresh_streamed(contracts: Sequence[Contract]) -> list[Snapshot]:
    """Return streamed values recent and complete enough that no call is needed.

    Complete: a price, the last close and, for an option, all Greeks.
    """
    found = read_streamed(
        SOURCE, contracts, newest_seconds=float(settings.GREEKS_MINIMUM_AGE_SECONDS)
    )
    return [snapshot for snapshot in found if _is_full(snapshot)]


def _is_full(snapshot: Snapshot) -> bool:
    quote, greeks = snapshot.quote, snapshot.greeks
    if quote is None or quote.price is None or quote.previous_close is None:
        return False
    return not snapshot.contract.is_option or (greeks is not None and greeks.is_complete)
