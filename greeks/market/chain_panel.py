"""The chain on the market page: every strike, with source and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from functools import cached_property
from typing import Any

from config.core.templatetags.desk import source_name
from config.core.web import formatting
from greeks.calendar.exchanges import exchange_named
from greeks.market.bodies.questions import MarketChoice
from greeks.market.chain import is_current, shown_chain


@dataclass(frozen=True)
class ChainPanel:
    """The chain beside a choice's series. ``at``: the exchange time of a kept one."""

    choice: MarketChoice | None
    at: time | None

    @cached_property
    def is_live(self) -> bool:
        return self.choice is None or is_current(self.choice)

    @cached_property
    def chain(self) -> Mapping[str, Any] | None:
        return shown_chain(self.choice, self.at) if self.choice else None

    @property
    def kept(self) -> Sequence[str]:
        """Return the times of the day's kept chains."""
        if self.chain is None or not self.chain.get("minute"):
            return ()
        return [each[11:16] for each in self.chain["kept_minutes"]]

    @property
    def kept_at(self) -> str:
        """Return the time at which the shown chain was kept; empty if it is the latest."""
        return ((self.chain or {}).get("minute") or "")[11:16]

    @property
    def open_interest_unit(self) -> str:
        return "contracts" if (self.chain or {}).get("counts_contracts") else "units"

    @property
    def text(self) -> str:
        if self.chain is None or self.choice is None:
            return NONE_POLLED if self.is_live else NONE_KEPT
        zone = exchange_named(self.choice.session.exchange).zone
        as_of = datetime.fromisoformat(self.chain["as_of"]).astimezone(zone)
        said = f"{len(self.chain['strikes'])} strikes, as of {as_of:%H:%M:%S %Z}"
        # Before a session's first poll the latest chain is still that of another day.
        if as_of.date() != self.choice.chain.session_date:
            said += f" on {formatting.day(as_of.date())}"
        if not self.chain.get("minute"):
            return said
        return f"{said}, kept from {source_name(self.chain['source'])}"


NONE_POLLED = "No chain has been polled yet."
NONE_KEPT = "No chain of this day was kept."
