"""Force a refresh of the Greeks now, from a chosen source (``manage.py update_greeks``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from config.core.errors import InvalidInput, LockHeld, ProviderError
from config.core.redis.locks import subject_lock
from greeks.models import Instrument
from greeks.providers.base import CountsCalls, SnapshotProvider
from greeks.providers.registry import configured_providers, open_provider
from greeks.underlyings import product_name
from portfolio.accounts.days import session_dates_of
from portfolio.accounts.named import enabled_accounts
from portfolio.brokers.registry import open_adapter
from portfolio.domain import Broker
from portfolio.market_data.sources import MarketData
from portfolio.models import Account, Position
from portfolio.refresh.run import REFRESH_DEADLINE_SECONDS, write_refreshed
from portfolio.sync.fetch import market_of, other_sources

# Each account's own broker first, then the others, as in a sync.
BROKER = "broker"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatedUnderlying:
    """Result for an underlying's held options.

    ``sources``: how many got new Greeks, by source. ``unchanged``: how many keep the last known.
    ``reason``: why the source was not asked for all of them; empty if it was.
    """

    underlying: str
    contracts: int
    sources: Mapping[str, int]
    unchanged: int
    reason: str


@dataclass(slots=True, kw_only=True)
class GreeksUpdate:
    """``calls``: requests sent, by source that counts them. ``failed``: reasons, by subject."""

    underlyings: list[UpdatedUnderlying] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        return not self.failed and not any(each.reason for each in self.underlyings)


def update_greeks(
    *, account_ids: Sequence[str] = (), underlyings: Sequence[str] = (), source: str = BROKER
) -> GreeksUpdate:
    """Fetch the Greeks of held options now and store those newer than the last known.

    Empty ``account_ids`` means all enabled accounts, empty ``underlyings`` all they hold.
    ``source`` is ``broker`` or one configured provider, asked alone and once per underlying for all
    accounts. Our model computes what it lacks.

    Raises:
        InvalidInput: unknown account, underlying or source.
    """
    if source != BROKER and source not in configured_providers():
        known = ", ".join((BROKER, *configured_providers()))
        raise InvalidInput(f"source: {source[:32]!r} is not set up here (set up: {known}).")
    accounts = enabled_accounts(account_ids)
    names = _held_names(accounts, underlyings)
    update = GreeksUpdate()
    groups: dict[str, list[Account]] = {}
    for account in accounts:
        groups.setdefault(account.broker if source == BROKER else source, []).append(account)
    for name, group in groups.items():
        _update_group(update, name, group, names, own=source == BROKER)
    return update


def _update_group(
    update: GreeksUpdate,
    name: str,
    accounts: Sequence[Account],
    underlyings: Sequence[str],
    *,
    own: bool,
) -> None:
    held = Instrument.objects.filter(positions__account__in=accounts, right__in=("C", "P"))
    if underlyings:
        held = held.filter(underlying__in=underlyings)
    instruments = {row.key: row for row in held.distinct()}
    if not instruments:
        return
    opened: list[SnapshotProvider] = []

    def opening(providers: Iterable[SnapshotProvider]) -> Iterable[SnapshotProvider]:
        for provider in providers:
            opened.append(provider)
            yield provider

    try:
        [first] = opening([open_adapter(name) if own else open_provider(name)])
    except ProviderError as error:
        update.failed[name] = error.message
        return
    try:
        market, everything = market_of(
            instruments=instruments,
            adapter=first,
            others=lambda: opening(other_sources(Broker(name)) if own else ()),
            marks={},
            own=own,
        )
    finally:
        first.close()
    for provider in opened:
        if isinstance(provider, CountsCalls):
            update.calls[provider.source] = update.calls.get(provider.source, 0) + provider.calls
    if market.error is not None:
        update.failed[first.source] = market.error.message
    if market.quotes or market.greeks:
        _write(update, accounts, market, everything)
    update.underlyings += _by_underlying(instruments, market)


def _write(
    update: GreeksUpdate,
    accounts: Sequence[Account],
    market: MarketData,
    instruments: dict[str, Instrument],
) -> None:
    holding = set(
        Position.objects.filter(
            account__in=accounts, instrument__in=[row.pk for row in instruments.values()]
        ).values_list("account_id", flat=True)
    )
    for account in accounts:
        if account.pk not in holding:
            continue
        try:
            with subject_lock(f"greeks:{account.pk}", seconds=REFRESH_DEADLINE_SECONDS * 2):
                write_refreshed(account.pk, market, instruments, session_dates_of(account))
        except LockHeld:
            update.failed[account.pk] = "Someone else is refreshing it now."


def _by_underlying(
    instruments: Mapping[str, Instrument], market: MarketData
) -> list[UpdatedUnderlying]:
    keys: dict[str, list[str]] = {}
    for key, instrument in instruments.items():
        keys.setdefault(instrument.underlying, []).append(key)
    updated = []
    for underlying, held in sorted(keys.items()):
        sources = Counter(market.greeks[key].source for key in held if key in market.greeks)
        updated.append(
            UpdatedUnderlying(
                underlying=underlying,
                contracts=len(held),
                sources=dict(sources),
                unchanged=len(held) - sources.total(),
                reason=market.left_out.get(underlying, ""),
            )
        )
    return updated


def _held_names(accounts: Sequence[Account], wanted: Sequence[str]) -> list[str]:
    """Return the names under which these underlyings are held: ``/ES`` is any of its months.

    Raises InvalidInput for one of which no option is held.
    """
    rows = Instrument.objects.filter(positions__account__in=accounts, right__in=("C", "P"))
    held = set(rows.values_list("underlying", flat=True))
    unknown = sorted(set(wanted) - held - {product_name(name) for name in held})
    if unknown:
        raise InvalidInput(
            f"No option on {', '.join(unknown)} is held. "
            f"Options are held on: {', '.join(sorted(held)) or 'nothing'}."
        )
    return sorted(name for name in held if {name, product_name(name)}.intersection(wanted))
