"""What to ask for to cover the held options of an underlying, and the shape of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from config.core.errors import MalformedResponse
from greeks.domain import Contract, Right
from greeks.instruments.occ import OptionSymbolError
from greeks.providers.polygon.tickers import (
    SOURCE,
    option_ticker,
    parse_option_ticker,
    underlying_ticker,
)

SNAPSHOT_PATH: Final = "/v3/snapshot/options/"
LIST_PATH: Final = "/v3/snapshot"
ROWS_PER_PAGE: Final = 250
#: The vendor takes 250; their names must fit into a URL of 8 KB.
TICKERS_PER_LIST: Final = 200


@dataclass(frozen=True, slots=True)
class Chain:
    """What to ask for on one underlying, by the vendor's ticker."""

    underlying: str
    wanted: Mapping[str, Contract]


@dataclass(frozen=True, slots=True)
class Box:
    """Ranges of expiries and strikes, ends included."""

    underlying: str
    first: date
    last: date
    lowest: Decimal
    highest: Decimal
    #: The right, if all wanted options share one.
    right: Right | None

    @classmethod
    def around(cls, underlying: str, contracts: Iterable[Contract]) -> Box:
        wanted = list(contracts)
        expiries, strikes = zip(*map(_place, wanted), strict=True)
        rights = {contract.right for contract in wanted}
        return cls(
            underlying,
            min(expiries),
            max(expiries),
            min(strikes),
            max(strikes),
            rights.pop() if len(rights) == 1 else None,
        )

    @property
    def path(self) -> str:
        return SNAPSHOT_PATH + quote(underlying_ticker(self.underlying), safe=":.")

    @property
    def parameters(self) -> dict[str, str | int]:
        right = self.right
        of_right: dict[str, str | int] = {"contract_type": right.name.lower()} if right else {}
        return of_right | {
            "expiration_date.gte": self.first.isoformat(),
            "expiration_date.lte": self.last.isoformat(),
            "strike_price.gte": f"{self.lowest.normalize():f}",
            "strike_price.lte": f"{self.highest.normalize():f}",
            "sort": "expiration_date",
            "order": "asc",
            "limit": ROWS_PER_PAGE,
        }


def chains_of(contracts: Iterable[Contract]) -> list[Chain]:
    """Return the options the vendor covers, by underlying, in order of first appearance."""
    found: dict[str, dict[str, Contract]] = {}
    for contract in contracts:
        ticker = option_ticker(contract)
        if ticker is not None:
            found.setdefault(contract.underlying, {}).setdefault(ticker, contract)
    return [Chain(underlying, wanted) for underlying, wanted in found.items()]


def ticker_of(row: object) -> str | None:
    """Return the option's ticker in a row, under the OCC's root; ``None`` if unreadable."""
    details = row.get("details") if isinstance(row, Mapping) else None
    ticker = details.get("ticker") if isinstance(details, Mapping) else None
    try:
        return f"O:{parse_option_ticker(ticker).standard.compact}"
    except OptionSymbolError:
        return None


def as_chain_rows(rows: Iterable[Any]) -> list[Any]:
    """Convert rows of a list to a chain's form: its names for the day's bar and the ticker.

    Options unknown to the vendor come with an error and are left out.
    """
    return [
        row | {"details": _details(row), "day": row.get("session")}
        if isinstance(row, dict) and "ticker" in row
        else row
        for row in rows
        if not (isinstance(row, dict) and "error" in row)
    ]


def _details(row: Mapping[str, Any]) -> Any:
    details = row.get("details")
    return details | {"ticker": row["ticker"]} if isinstance(details, dict) else details


def results_of(answer: object, *, what: str) -> list[Any]:
    """Return the rows of an answer. Raises MalformedResponse if it is not the vendor's format."""
    if isinstance(answer, Mapping):
        rows = answer.get("results")
        if isinstance(rows, list):
            return rows
        # For an unknown underlying the vendor sends no results at all.
        if rows is None and answer.get("status") in ("OK", "DELAYED"):
            return []
    raise MalformedResponse(f"{what}: the answer holds no list of results", provider=SOURCE)


def next_page(answer: Mapping[str, Any], *, within: str) -> tuple[str, dict[str, str]] | None:
    """Path and parameters of the next page; ``None`` after the last.

    Only path and query of ``next_url`` are used: whatever host it names, the key goes only to the
    host in the settings. Raises MalformedResponse for a path outside ``within``.
    """
    following = answer.get("next_url")
    if not following:
        return None
    try:
        parts = urlsplit(following) if isinstance(following, str) else None
        parameters = dict(parse_qsl(parts.query)) if parts else {}
    except ValueError:
        parts = None
    if parts is None or not parts.path.startswith(within) or ".." in parts.path:
        raise MalformedResponse("next_url: the address is not readable", provider=SOURCE)
    # The vendor also takes the key as a parameter; ours goes into the header.
    parameters.pop("apiKey", None)
    return parts.path, parameters


def _place(contract: Contract) -> tuple[date, Decimal]:
    if contract.expiry is None or contract.strike is None:
        raise ValueError(f"{contract.symbol} is not an option")
    return contract.expiry, contract.strike
