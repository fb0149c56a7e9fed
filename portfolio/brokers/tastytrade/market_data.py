"""Market data: Tastytrade's symbols of our contracts, /market-data/by-type, and the streamer.

Units are ours already: volatility is a fraction, delta and gamma per 1 of the underlying, theta per
calendar day, vega per 1 percentage point. A test reprices a recorded answer with our own
Black-Scholes: at one spot for all strikes, rate 0 and expiry at the end of trading (16:15 in New
York for SPY), every Greek agrees to 0.01 %, theta except for the vendor's year of 365.25 days.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_DOWN
from typing import Any, Final

from django.conf import settings

from config.core.errors import MalformedResponse
from greeks.domain import Contract, Greeks, InstrumentKind, Quote, Snapshot
from greeks.instruments.occ import OptionSymbol, OptionSymbolError
from greeks.providers.decoding import (
    BadRow,
    Row,
    parse_decimal,
    parse_integer,
    parse_text,
    parse_time,
)
from greeks.providers.possible import possible_quote, read_greeks
from greeks.providers.streamed_values import read_streamed
from greeks.providers.tastytrade_dxlink.symbols import streamer_symbol
from greeks.providers.tastytrade_dxlink.token import StreamerToken
from portfolio.brokers.tastytrade.contracts import CURRENCY, SOURCE, items_of, unit_of
from portfolio.brokers.tastytrade.future_symbols import FUTURE
from portfolio.brokers.units import snapshot_in_currency

#: Most symbols in one request, over all kinds together.
BATCH_SIZE = 100
Get = Callable[[str, Mapping[str, Any]], Any]
_LISTS: Final = {"/instruments/futures": "/", "/instruments/future-options": "./"}
_LISTED_PER_CALL: Final = 50
_LONGEST: Final = 64
_DATED: Final = frozenset({InstrumentKind.FUTURE, InstrumentKind.FUTURE_OPTION})
#: Token lifetime in seconds if the answer does not tell.
TOKEN_LIFETIME: Final = 24 * 3600.0


def tastytrade_symbol(contract: Contract) -> str | None:
    """Return Tastytrade's symbol of a contract; ``None`` if it does not trade it.

    Uses the alias if there is one, otherwise spells out options and equities, so that contracts
    only another broker knows can be quoted here too.
    """
    known = contract.aliases.get(SOURCE)
    if known:
        return known
    if contract.currency != CURRENCY:
        return None
    if contract.kind in (InstrumentKind.STOCK, InstrumentKind.INDEX):
        # Share classes: ``BRK B`` and ``BRK.B`` elsewhere, ``BRK/B`` here.
        return re.sub(r"[ .]", "/", contract.symbol)
    if contract.kind is InstrumentKind.OPTION:
        return _option_symbol(contract)
    is_future = contract.kind is InstrumentKind.FUTURE and FUTURE.fullmatch(contract.symbol)
    return contract.symbol if is_future else None


def _option_symbol(contract: Contract) -> str | None:
    if contract.expiry is None or contract.strike is None or contract.right is None:
        return None
    root = contract.root or contract.underlying
    share_class = re.fullmatch(r"([A-Z]+)[ ./]([A-Z])", contract.underlying)
    if share_class is not None and root == "".join(share_class.groups()):
        root = "/".join(share_class.groups())
    try:
        return OptionSymbol(root, contract.expiry, contract.right, contract.strike).occ
    except OptionSymbolError:
        return None


def decode_snapshot(
    row: Row, *, contracts: Mapping[str, Contract], fetched_at: datetime
) -> Snapshot:
    """Decode one instrument's market data. ``contracts``: those requested, by Tastytrade symbol."""
    symbol = parse_text(row.get("symbol"), "symbol", required=True, maximum=64)
    contract = contracts.get(symbol)
    if contract is None:
        raise BadRow(f"symbol: {symbol[:40]!r} was not asked for")
    as_of = parse_time(row.get("updated-at"), "updated-at") or fetched_at
    volume = parse_decimal(row.get("volume"), "volume")
    quote = Quote(
        contract=contract,
        source=SOURCE,
        as_of=as_of,
        bid=parse_decimal(row.get("bid"), "bid"),
        ask=parse_decimal(row.get("ask"), "ask"),
        last=parse_decimal(row.get("last"), "last"),
        mark=parse_decimal(row.get("mark"), "mark"),
        opening_price=parse_decimal(row.get("open"), "open"),
        previous_close=parse_decimal(row.get("prev-close"), "prev-close"),
        # Cryptocurrencies trade in fractions.
        volume=None if volume is None else int(volume.to_integral_value(ROUND_DOWN)),
        open_interest=parse_integer(row.get("open-interest"), "open-interest"),
    )
    faults: list[str] = []
    greeks = _greeks(row, as_of, faults) if contract.is_option else None
    snapshot = Snapshot(
        contract=contract, quote=possible_quote(quote), greeks=greeks, faults=tuple(faults)
    )
    return snapshot_in_currency(snapshot, unit_of(contract))


def _greeks(row: Row, as_of: datetime, faults: list[str]) -> Greeks | None:
    sent = {name: row.get(name) for name in ("delta", "gamma", "theta", "vega")}
    sent["implied_volatility"] = row.get("volatility")
    return read_greeks(sent, source=SOURCE, as_of=as_of, faults=faults)


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
    contracts: Iterable[Contract], listed: Mapping[str, str]
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
