"""The streamer beside the REST API: its token, its symbols and what it has already sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.conf import settings

from config.core.errors import MalformedResponse
from greeks.domain import Contract, Snapshot
from greeks.providers.decoding import BadRow, parse_text, parse_time
from greeks.providers.streamed_values import read_streamed
from greeks.providers.tastytrade_dxlink.symbols import streamer_symbol
from greeks.providers.tastytrade_dxlink.token import StreamerToken
from portfolio.brokers.tastytrade.contracts import SOURCE, tastytrade_symbol

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


def streamed_symbols(contracts: Iterable[Contract]) -> dict[str, Contract]:
    """Return contracts by streamer symbol, without those Tastytrade does not stream."""
    found: dict[str, Contract] = {}
    for contract in contracts:
        symbol = tastytrade_symbol(contract)
        streamer = streamer_symbol(contract.kind, symbol) if symbol else None
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
