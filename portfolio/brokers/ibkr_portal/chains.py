"""IBKR's option chains: the contracts nearest to the spot, found by month, quoted by snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.conf import settings

from config.core.clock import market_now
from config.core.errors import PermanentError
from greeks.chains import ListedExpiry, Listing, OptionChain
from greeks.domain import Contract, InstrumentKind, Right
from greeks.indices import is_index
from greeks.providers.chain_registry import register_chain_provider
from greeks.providers.decoding import BadRow, rows_of
from greeks.providers.snapshot_chain import chain_of_snapshots
from portfolio.brokers.ibkr_portal.adapter import SNAPSHOTS_PER_CALL, PortalBridge
from portfolio.brokers.ibkr_portal.contracts import SOURCE, parse_conid
from portfolio.brokers.ibkr_portal.directory import ContractDirectory, contract_memory
from portfolio.brokers.ibkr_portal.gateway import PortalGateway, open_gateway
from portfolio.brokers.ibkr_portal.session import BROKERAGE

#: A log-in has a hundred market-data lines: a call and a put at each of these strikes.
STRIKES: Final = SNAPSHOTS_PER_CALL // 2
#: Months whose expiries are listed. Each costs a hundred calls, once a day.
MONTHS: Final = 2
_CURRENCY: Final = "USD"
#: Adjusted contracts deliver something else: their multiplier or root differs.
_LOT_SIZE: Final = 100
_NEW_YORK: Final = ZoneInfo("America/New_York")
_RIGHTS: Final = ((Right.CALL, "call"), (Right.PUT, "put"))


class PortalChains:
    """``ChainProvider`` for IBKR's US options. Keys are our symbols (``SPX``).

    A chain has the 50 strikes nearest to the spot, as many as a log-in may quote at once. Threads
    may share it: what they look up twice is the same.
    """

    source = SOURCE

    def __init__(self, gateway: PortalGateway, *, snapshot_seconds: float) -> None:
        self._gateway = gateway
        self._bridge = PortalBridge(gateway, snapshot_seconds=snapshot_seconds)
        self._directory = ContractDirectory(self._ask, contract_memory(gateway.base_url))
        #: Contract ids of a day by underlying, month, strike and right: weeklies are added daily.
        self._ids: dict[tuple[date, str, str, Decimal, Right], tuple[str, ...]] = {}

    def fetch_listing(self, instrument_key: str) -> Listing:
        """Return the expiries of the two nearest months. Raises ``PermanentError`` for none."""
        at = market_now()
        today = at.astimezone(_NEW_YORK).date()
        underlying, months = self._underlying(instrument_key)
        spot = self._spot(underlying)
        found = {
            contract.expiry
            for month in months[:MONTHS]
            for contract in self._contracts(underlying, month, spot)
            if contract.expiry is not None and contract.expiry >= today
        }
        if not found:
            raise PermanentError(
                f"IBKR lists no option of {instrument_key[:32]!r}.", provider=SOURCE
            )
        expiries = tuple(ListedExpiry(expiry=each, lot_size=_LOT_SIZE) for each in sorted(found))
        return Listing(source=SOURCE, instrument_key=instrument_key, expiries=expiries, as_of=at)

    def fetch_chain(self, instrument_key: str, expiry: date) -> OptionChain:
        """Return what is quoted of one expiry. Contracts without any data are left out."""
        underlying, _ = self._underlying(instrument_key)
        spot = self._spot(underlying)
        wanted = [
            contract
            for contract in self._contracts(underlying, f"{expiry:%b%y}".upper(), spot)
            if contract.expiry == expiry and contract.multiplier == _LOT_SIZE
        ]
        # The chain needs every line of the log-in, and leaves them free for the book.
        self._release_lines()
        fetched = self._bridge.fetch_snapshots(wanted)
        self._release_lines()
        return chain_of_snapshots(
            fetched.items,
            keys=[each.contract.symbol for each in fetched.items],
            source=SOURCE,
            instrument_key=instrument_key,
            expiry=expiry,
            spot=spot,
            payload=lambda index: {"conid": fetched.items[index].contract.aliases[SOURCE]},
            rejected=fetched.rejected,
        )

    def close(self) -> None:
        self._gateway.close()

    def _ask(self, path: str, params: Mapping[str, Any]) -> Any:
        return self._gateway.get(path, needs=(BROKERAGE,), params=params)

    def _release_lines(self) -> None:
        self._ask("/iserver/marketdata/unsubscribeall", {})

    def _underlying(self, symbol: str) -> tuple[Contract, list[str]]:
        """Return the underlying and the months it has options in. Strikes come after this only."""
        kind = InstrumentKind.INDEX if is_index(symbol) else InstrumentKind.STOCK
        answer = self._ask("/iserver/secdef/search", {"symbol": symbol.replace("/", " ")})
        rows = _rows_by_id(answer, "/iserver/secdef/search")
        for conid, contract in self._directory.definitions(rows).items():
            months = _months(rows[conid])
            if months and (contract.kind, contract.currency) == (kind, _CURRENCY):
                return contract, months
        raise PermanentError(f"IBKR has no options on {symbol[:32]!r}.", provider=SOURCE)

    def _contracts(self, underlying: Contract, month: str, spot: float | None) -> list[Contract]:
        """Return the month's contracts at the strikes nearest to the spot, of all expiries."""
        conid = underlying.aliases[SOURCE]
        today = market_now().astimezone(_NEW_YORK).date()
        asked = {"conid": conid, "sectype": "OPT", "month": month}
        answer = self._ask("/iserver/secdef/strikes", asked)
        listed = answer if isinstance(answer, Mapping) else {}
        self._ids = {key: ids for key, ids in self._ids.items() if key[0] == today}
        found: list[str] = []
        for right, side in _RIGHTS:
            for strike in _nearest(listed.get(side), spot):
                key = (today, conid, month, strike, right)
                ids = self._ids.get(key)
                if ids is None:
                    terms = {"strike": f"{strike:f}", "right": right.value}
                    told = self._ask("/iserver/secdef/info", asked | terms)
                    ids = self._ids[key] = tuple(_rows_by_id(told, "/iserver/secdef/info"))
                found += ids
        return list(self._directory.definitions(found).values())

    def _spot(self, underlying: Contract) -> float | None:
        for each in self._bridge.fetch_snapshots([underlying]).items:
            if each.quote is not None and each.quote.price is not None:
                return float(each.quote.price)
        return None


def _rows_by_id(answer: Any, path: str) -> dict[str, Mapping[str, Any]]:
    """Return an answer's rows by contract id. Those without one name no contract."""
    found = {}
    for row in rows_of(answer, provider=SOURCE, what=path):
        try:
            if isinstance(row, Mapping):
                found[parse_conid(row)] = row
        except BadRow:
            continue
    return found


def _months(row: Mapping[str, Any]) -> list[str]:
    """Return an underlying's option months (``JAN27``), soonest first as IBKR sends them."""
    for section in row.get("sections") or ():
        if isinstance(section, Mapping) and section.get("secType") == "OPT":
            return [month for month in str(section.get("months") or "").split(";") if month]
    return []


def _nearest(sent: Any, spot: float | None) -> list[Decimal]:
    """Return the strikes nearest to the spot; without one, to the middle of all."""
    numbers: Iterable[Any] = sent if isinstance(sent, list) else ()
    strikes = sorted(
        {Decimal(str(each)).normalize() for each in numbers if isinstance(each, int | float)}
    )
    if not strikes:
        return []
    middle = strikes[len(strikes) // 2] if spot is None else Decimal(str(spot))
    return sorted(strikes, key=lambda strike: abs(strike - middle))[:STRIKES]


@register_chain_provider(SOURCE, is_configured=lambda: settings.IBKR_CONNECTION == "portal")
def open_portal_chains() -> PortalChains:
    return PortalChains(
        open_gateway(aside="chains"), snapshot_seconds=settings.IBKR_PORTAL_SNAPSHOT_SECONDS
    )
