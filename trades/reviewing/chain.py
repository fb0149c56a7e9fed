"""The chains of rolls that a trade is part of, link by link with the profit so far."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from greeks.models import Instrument
from trades.models import Trade, TradeFill, TradeRoll
from trades.strategies.chains import Link, link_lots
from trades.strategies.reading import read_openings
from trades.strategies.rolls import find_rolls


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One link of a chain as shown. ``so_far`` is the chain's profit up to and with it."""

    link: Link
    symbol: str
    trade_key: int
    so_far: Decimal | None


def chains_of(trade: Trade) -> list[list[Step]]:
    """Return the chains that pass through a trade; none if nothing of it was ever rolled."""
    related = Trade.objects.filter(account=trade.account_id, chain=trade.chain)
    opened = TradeFill.objects.filter(trade__in=related, role=TradeFill.Role.OPEN.value)
    homes = dict(opened.values_list("key", "trade_id"))
    executions = opened.values("execution_id")
    if not TradeRoll.objects.filter(account=trade.account_id, rolled_to__in=executions).exists():
        return []
    names = set(related.values_list("underlying", flat=True))
    openings = [o for o in read_openings(trade.account_id, names) if o.key in homes]
    by_chain: dict[int, list[Link]] = {}
    for link in link_lots(openings, find_rolls(openings)):
        by_chain.setdefault(link.chain, []).append(link)
    own = {key for key, home in homes.items() if home == trade.key}
    symbols = dict(
        Instrument.objects.filter(pk__in={o.contract.id for o in openings}).values_list(
            "pk", "symbol"
        )
    )
    return [
        _steps(links, homes, symbols)
        for links in by_chain.values()
        if len(links) > 1 and any(link.opening.key in own for link in links)
    ]


def _steps(links: list[Link], homes: dict[int, int], symbols: dict[int, str]) -> list[Step]:
    so_far: Decimal | None = Decimal(0)
    steps = []
    for link in links:
        so_far = None if so_far is None or link.net is None else so_far + link.net
        steps.append(
            Step(
                link=link,
                symbol=symbols[link.opening.contract.id],
                trade_key=homes[link.opening.key],
                so_far=so_far,
            )
        )
    return steps
