"""The chains of rolls that a trade is part of, link by link with the profit so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from config.core.clock import now
from greeks.models import Instrument
from trades.models import Trade, TradeFill, TradeRoll
from trades.reviewing.chain_drawing import ChainDrawing, draw_chain
from trades.strategies.chains import Link, link_lots
from trades.strategies.reading import read_openings
from trades.strategies.rolls import Roll, find_rolls

#: A drawing of all lots of a weekly roll would fill screens; the list has them all.
_MOST_DRAWN: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One link of a chain as shown. ``so_far`` is the chain's profit up to and with it."""

    link: Link
    symbol: str
    trade_key: int
    so_far: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain as a list and as a drawing."""

    steps: list[Step]
    drawing: ChainDrawing


def chains_of(trade: Trade) -> list[Chain]:
    """Return the chains that pass through a trade; none if nothing of it was ever rolled."""
    related = Trade.objects.filter(account=trade.account_id, chain=trade.chain)
    opened = TradeFill.objects.filter(trade__in=related, role=TradeFill.Role.OPEN.value)
    homes = dict(opened.values_list("key", "trade_id"))
    executions = opened.values("execution_id")
    if not TradeRoll.objects.filter(account=trade.account_id, rolled_to__in=executions).exists():
        return []
    names = set(related.values_list("underlying", flat=True))
    openings = [o for o in read_openings(trade.account_id, names) if o.key in homes]
    rolls = find_rolls(openings)
    by_chain: dict[int, list[Link]] = {}
    for link in link_lots(openings, rolls):
        by_chain.setdefault(link.chain, []).append(link)
    own = {key for key, home in homes.items() if home == trade.key}
    contracts = Instrument.objects.in_bulk({o.contract.id for o in openings})
    at = now()
    return [
        _chain(trade, links, rolls, homes, contracts, at)
        for links in by_chain.values()
        if len(links) > 1 and any(link.opening.key in own for link in links)
    ]


def _chain(
    trade: Trade,
    links: list[Link],
    rolls: Sequence[Roll],
    homes: Mapping[int, int],
    contracts: Mapping[int, Instrument],
    at: datetime,
) -> Chain:
    so_far: Decimal | None = Decimal(0)
    steps = []
    for link in links:
        so_far = None if so_far is None or link.net is None else so_far + link.net
        steps.append(
            Step(
                link=link,
                symbol=contracts[link.opening.contract.id].symbol,
                trade_key=homes[link.opening.key],
                so_far=so_far,
            )
        )
    own = [step.trade_key == trade.key for step in steps]
    drawn = _around(own)
    drawing = draw_chain(
        links[drawn],
        rolls,
        labels=[_label(link) for link in links[drawn]],
        own=own[drawn],
        at=at,
    )
    return Chain(steps=steps, drawing=drawing)


def _around(own: Sequence[bool]) -> slice:
    """Return which lots of a long chain are drawn: the trade's last, two after it, and before."""
    last = max(place for place, is_own in enumerate(own) if is_own)
    end = max(min(len(own), last + 3), min(len(own), _MOST_DRAWN))
    return slice(max(0, end - _MOST_DRAWN), end)


def _label(link: Link) -> str:
    contract = link.opening.contract
    quantity = f"{link.quantity.normalize():f}".replace("-", "\N{MINUS SIGN}")
    if contract.strike is None or contract.expiry is None:
        return quantity
    strike = f"{contract.strike.normalize():f}"
    day = f"{contract.expiry.day} {contract.expiry:%b %y}"
    return f"{quantity} × {strike} {contract.right or ''}, {day}"
