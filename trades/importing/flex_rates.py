"""Rates of exchange that a Flex statement tells: commissions may be in another currency."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from greeks.providers.decoding import BadRow, parse_decimal
from trades.importing.flex_values import Attributes


@dataclass(slots=True)
class FlexRates:
    """What one unit of a currency is worth in the base currency, by day; else on any day."""

    by_day: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    latest: dict[str, Decimal] = field(default_factory=dict)

    def note(self, trade: Attributes) -> None:
        """Note the rate of a trade's currency."""
        self._keep(trade.get("currency", ""), _day(trade), trade.get("fxRateToBase"))

    def note_rate(self, row: Attributes) -> None:
        """Note a row of the section Conversion Rates."""
        day = row.get("reportDate", "")
        self._keep(row.get("fromCurrency", ""), day, row.get("rate"))
        self._keep(row.get("toCurrency", ""), day, "1")

    def in_currency(self, trade: Attributes) -> Attributes:
        """Return the trade with its commission in its own currency; without a rate, with none."""
        paid_in, currency = trade.get("ibCommissionCurrency", ""), trade.get("currency", "")
        commission = parse_decimal(trade.get("ibCommission"), "ibCommission")
        if not commission or not paid_in or paid_in == currency:
            return trade
        found = [self._rate(name, _day(trade)) for name in (paid_in, currency)]
        told = {name: text for name, text in trade.items() if name != "ibCommission"}
        if None in found:
            return told
        rate = (found[0] or Decimal(0)) / (found[1] or Decimal(1))
        paid = parse_decimal(commission * rate, "ibCommission", required=True)
        return told | {"ibCommission": f"{paid:f}"}

    def _rate(self, currency: str, day: str) -> Decimal | None:
        return self.by_day.get((currency, day)) or self.latest.get(currency)

    def _keep(self, currency: str, day: str, text: str | None) -> None:
        try:
            rate = parse_decimal(text, "fxRateToBase")
        except BadRow:
            return
        if currency and rate and rate > 0:
            self.by_day[currency, day] = self.latest[currency] = rate


def _day(trade: Attributes) -> str:
    return trade.get("tradeDate") or trade.get("dateTime", "")[:10]
