"""The simulated market's underlyings and their constants."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from greeks.domain import InstrumentKind

# Factors of the common noise; each underlying adds one of its own.
WORLD, AMERICA, TECHNOLOGY, INDIA = range(4)
OWN_FACTOR = 10
VOLATILITY_FACTOR = 40

RATES = {"USD": 0.04, "INR": 0.065}


@dataclass(frozen=True, slots=True, kw_only=True)
class Underlying:
    """One underlying and its options.

    Levels and strikes in its currency; rates, yields and volatilities annual fractions.
    ``loadings`` maps noise factors to weights (normalised); ``leverage`` is the relative rise of
    implied volatility for a relative fall of the spot by 1; ``skew`` and ``convexity`` are the
    smile's slope and curvature per standard deviation of moneyness. ``weekly_strikes`` and
    ``monthly_strikes`` are bands of (relative half-width around ``level``, step).
    """

    symbol: str
    name: str
    kind: InstrumentKind = InstrumentKind.STOCK
    exchange: str = "NYSE"
    currency: str = "USD"
    conid: str
    level: float
    volatility: float
    long_volatility: float
    loadings: dict[int, float] = field(default_factory=dict)
    own_weight: float = 0.0
    leverage: float
    volatility_of_volatility: float = 0.5
    skew: float
    convexity: float
    dividend_yield: float = 0.0
    multiplier: Decimal = Decimal(100)
    expiry_rule: str
    weekly_strikes: tuple[tuple[float, float], ...]
    monthly_strikes: tuple[tuple[float, float], ...]
    strike_unit: float
    tick: float = 0.01
    daily_shares: float = 0.0
    daily_contracts: float = 0.0
    american: bool = False

    @property
    def rate(self) -> float:
        return RATES[self.currency]


UNDERLYINGS: tuple[Underlying, ...] = (
    Underlying(
        symbol="SPY", name="SPDR S&P 500 ETF Trust", conid="756733", level=680.0, volatility=0.16,
        long_volatility=0.19, loadings={WORLD: 0.75, AMERICA: 0.64}, own_weight=0.14, leverage=3.5,
        skew=-0.105, convexity=0.10, dividend_yield=0.011, expiry_rule="daily",
        weekly_strikes=((0.08, 1.0), (0.25, 5.0)),
        monthly_strikes=((0.12, 1.0), (0.40, 5.0), (0.70, 10.0)), strike_unit=1.0,
        daily_shares=70e6, daily_contracts=8e6, american=True,
    ),
    Underlying(
        symbol="QQQ", name="Invesco QQQ Trust", conid="320227571", level=615.0, volatility=0.195,
        long_volatility=0.225, loadings={WORLD: 0.70, AMERICA: 0.50, TECHNOLOGY: 0.46},
        own_weight=0.14, leverage=2.8, skew=-0.09, convexity=0.10, dividend_yield=0.005,
        expiry_rule="daily", weekly_strikes=((0.08, 1.0), (0.25, 5.0)),
        monthly_strikes=((0.12, 1.0), (0.40, 5.0), (0.70, 10.0)), strike_unit=1.0,
        daily_shares=50e6, daily_contracts=4e6, american=True,
    ),
    Underlying(
        symbol="AAPL", name="Apple Inc.", conid="265598", level=300.0, volatility=0.25,
        long_volatility=0.275, loadings={WORLD: 0.50, AMERICA: 0.40, TECHNOLOGY: 0.35},
        own_weight=0.68, leverage=1.6, skew=-0.06, convexity=0.11, dividend_yield=0.004,
        expiry_rule="weekly", weekly_strikes=((0.15, 2.5), (0.35, 5.0)),
        monthly_strikes=((0.20, 2.5), (0.50, 5.0), (0.80, 10.0)), strike_unit=2.5,
        daily_shares=50e6, daily_contracts=1.2e6, american=True,
    ),
    Underlying(
        symbol="NVDA", name="NVIDIA Corporation", conid="4815747", level=190.0, volatility=0.40,
        long_volatility=0.43, loadings={WORLD: 0.45, AMERICA: 0.33, TECHNOLOGY: 0.50},
        own_weight=0.66, leverage=1.0, skew=-0.045, convexity=0.11, dividend_yield=0.0002,
        expiry_rule="weekly", weekly_strikes=((0.16, 2.5), (0.50, 5.0)),
        monthly_strikes=((0.20, 2.5), (0.70, 5.0), (0.85, 10.0)), strike_unit=2.5,
        daily_shares=180e6, daily_contracts=2.5e6, american=True,
    ),
    Underlying(
        symbol="VIX", name="Cboe Volatility Index", kind=InstrumentKind.INDEX, conid="13455763",
        level=17.0, volatility=1.10, long_volatility=0.60, leverage=0.0,
        volatility_of_volatility=0.3, skew=0.09, convexity=0.06, expiry_rule="volatility_index",
        weekly_strikes=(), monthly_strikes=((0.45, 0.5), (1.2, 1.0), (4.0, 5.0)), strike_unit=0.5,
        daily_contracts=6e5,
    ),
    Underlying(
        symbol="NIFTY", name="Nifty 50", kind=InstrumentKind.INDEX, exchange="NSE", currency="INR",
        conid="51497778", level=26000.0, volatility=0.12, long_volatility=0.145,
        loadings={WORLD: 0.45, INDIA: 0.87}, own_weight=0.2, leverage=3.5, skew=-0.085,
        convexity=0.10, dividend_yield=0.012, multiplier=Decimal(75), expiry_rule="tuesday",
        weekly_strikes=((0.06, 50.0), (0.12, 100.0), (0.20, 500.0)),
        monthly_strikes=((0.06, 50.0), (0.15, 100.0), (0.40, 500.0)), strike_unit=50.0, tick=0.05,
        daily_contracts=2e6,
    ),
    Underlying(
        symbol="BANKNIFTY", name="Nifty Bank", kind=InstrumentKind.INDEX, exchange="NSE",
        currency="INR", conid="51497779", level=58000.0, volatility=0.145, long_volatility=0.165,
        loadings={WORLD: 0.42, INDIA: 0.82}, own_weight=0.39, leverage=2.8, skew=-0.07,
        convexity=0.10, dividend_yield=0.008, multiplier=Decimal(35), expiry_rule="last_tuesday",
        weekly_strikes=(), monthly_strikes=((0.08, 100.0), (0.25, 500.0), (0.40, 1000.0)),
        strike_unit=100.0, tick=0.05, daily_contracts=8e5,
    ),
)  # fmt: skip

INDEX_BY_SYMBOL = {underlying.symbol: index for index, underlying in enumerate(UNDERLYINGS)}
