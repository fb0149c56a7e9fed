"""Contract lines of kinds that the simulated market does not trade itself.

Each is priced on a contract that the market has, its base: ``rate`` × price + ``shift``. So a
future is ten times SPY, an option on it ten times SPY's option of a tenth of the strike, and all
move together. Names, units and hours are as the exchanges have them; the prices are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from greeks.domain import Contract, Deliverable, InstrumentKind
from greeks.sandbox.listing import third_friday
from greeks.sandbox.sessions import is_trading_day

EXCHANGE = "NYSE"
#: Dollars for one unit of a currency.
DOLLARS: Mapping[str, float] = {"USD": 1.0, "GBP": 1.34, "EUR": 1.16, "INR": 0.0112}
MONTH_LETTERS = "FGHJKMNQUVXZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of contracts.

    ``name`` is the ticker, ``root`` the option's own. ``months`` are the letters of a future's
    months; it expires on the third Friday, or with ``mid_month`` on the last trading day before the
    15th. ``expiries`` says which of the base's expiries an option line lists. ``magnifier``: IBKR's
    units of price per unit of currency. ``digits``: decimals of a price. ``shares``: what an
    adjusted option delivers; ``shares`` ÷ multiplier is its rate.
    """

    kind: InstrumentKind
    name: str
    description: str
    base: str
    rate: Decimal
    exchange: str
    currency: str = "USD"
    multiplier: Decimal = Decimal(1)
    shift: float = 0.0
    root: str = ""
    months: str = ""
    mid_month: bool = False
    expiries: str = ""
    strike: Decimal | None = None
    magnifier: int = 1
    digits: int = 2
    shares: Decimal | None = None

    @property
    def is_dated(self) -> bool:
        """Return whether its contracts expire though their base does not."""
        return self.kind in (InstrumentKind.FUTURE, InstrumentKind.EVENT)

    @property
    def spot_rate(self) -> float:
        """Return the price of the underlying per price of the base's underlying."""
        return 1.0 if self.shares is not None else float(self.rate)

    @property
    def deliverable(self) -> Deliverable | None:
        return None if self.shares is None else Deliverable(shares=self.shares)

    def next_expiry(self, least: date) -> date:
        """Return the first expiry of a dated line from a day on."""
        month = least.replace(day=1)
        while True:
            if MONTH_LETTERS[month.month - 1] in self.months:
                day = third_friday(month)
                if self.mid_month:
                    day = month.replace(day=14)
                day = _trading_day(day)
                if day >= least:
                    return day
            month = (month + timedelta(days=31)).replace(day=1)

    def lists(self, expiry: date) -> bool:
        """Return whether an option line lists the base's expiry."""
        monthly = expiry == _trading_day(third_friday(expiry))
        if self.expiries == "quarterly":
            return monthly and expiry.month % 3 == 0
        if self.expiries == "weekly":
            return not monthly
        return monthly or not self.expiries


def _trading_day(day: date) -> date:
    while not is_trading_day(EXCHANGE, day):
        day -= timedelta(days=1)
    return day


_STOCK, _INDEX, _OPTION = InstrumentKind.STOCK, InstrumentKind.INDEX, InstrumentKind.OPTION
_FUTURE, _FUTURE_OPTION = InstrumentKind.FUTURE, InstrumentKind.FUTURE_OPTION

LINES: Mapping[str, Line] = {
    "share in pence": Line(
        kind=_STOCK, name="SHEL", description="Shell PLC", base="SPY", rate=Decimal("0.04"),
        exchange="LSE", currency="GBP", magnifier=100, digits=4,
    ),
    "share in euros": Line(
        kind=_STOCK, name="SAP", description="SAP SE", base="QQQ", rate=Decimal("0.4"),
        exchange="IBIS", currency="EUR",
    ),
    "option in euros": Line(
        kind=_OPTION, name="SAP", description="SAP SE", base="QQQ", rate=Decimal("0.4"),
        exchange="EUREX", currency="EUR", multiplier=Decimal(100), root="SAP", expiries="monthly",
    ),
    "index in rupees": Line(
        kind=_INDEX, name="NIFTY50", description="Nifty 50", base="NIFTY", rate=Decimal(1),
        exchange="NSE", currency="INR",
    ),
    "option in rupees": Line(
        kind=_OPTION, name="NIFTY50", description="Nifty 50", base="NIFTY", rate=Decimal(1),
        exchange="NSE", currency="INR", multiplier=Decimal(75), root="NIFTY50",
    ),
    "index": Line(
        kind=_INDEX, name="SPX", description="S&P 500 Index", base="SPY", rate=Decimal(10),
        exchange="CBOE",
    ),
    "morning option": Line(
        kind=_OPTION, name="SPX", description="S&P 500 Index", base="SPY", rate=Decimal(10),
        exchange="CBOE", multiplier=Decimal(100), root="SPX", expiries="monthly",
    ),
    "evening option": Line(
        kind=_OPTION, name="SPX", description="S&P 500 Index", base="SPY", rate=Decimal(10),
        exchange="CBOE", multiplier=Decimal(100), root="SPXW", expiries="weekly",
    ),
    "adjusted option": Line(
        kind=_OPTION, name="NVDA", description="NVIDIA Corporation", base="NVDA",
        rate=Decimal("0.2"), exchange="NYSE", multiplier=Decimal(100), root="NVDA1",
        shares=Decimal(20),
    ),
    "index future": Line(
        kind=_FUTURE, name="MES", description="Micro E-mini S&P 500", base="SPY", rate=Decimal(10),
        exchange="CME", multiplier=Decimal(5), months="HMUZ",
    ),
    "option on a future": Line(
        kind=_FUTURE_OPTION, name="MES", description="Micro E-mini S&P 500", base="SPY",
        rate=Decimal(10), exchange="CME", multiplier=Decimal(5), root="MES", expiries="quarterly",
    ),
    "future in cents": Line(
        kind=_FUTURE, name="ZC", description="Corn", base="QQQ", rate=Decimal("0.0075"),
        exchange="CBOT", multiplier=Decimal(5000), months="HKNUZ", mid_month=True, magnifier=100,
        digits=4,
    ),
    "future below zero": Line(
        kind=_FUTURE, name="NW", description="Waha natural gas basis", base="VIX",
        rate=Decimal("0.04"), shift=-2.5, exchange="NYMEX", multiplier=Decimal(2500),
        months=MONTH_LETTERS, mid_month=True, digits=4,
    ),
    "event contract": Line(
        kind=InstrumentKind.EVENT, name="FF", description="US federal funds target rate",
        base="VIX", rate=Decimal("0.02"), exchange="FORECASTX", months="HMUZ",
        strike=Decimal("3.125"),
    ),
}  # fmt: skip

_MAGNIFIERS = {
    (line.kind, line.name): line.magnifier for line in LINES.values() if line.magnifier > 1
}


def magnifier(contract: Contract) -> int:
    """Return how many of the contract's price units at IBKR make one of its currency."""
    return _MAGNIFIERS.get((contract.kind, contract.underlying.removeprefix("/")), 1)


def dollars(contract: Contract) -> float:
    """Return the dollars that one unit of the contract's currency is."""
    return DOLLARS[contract.currency]
