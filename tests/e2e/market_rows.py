"""Two simulated chains with a history, as polls and roll-ups leave them: rows, samples, bodies.

Every minute's sums are of a chain priced again at that minute's spot and volatility, so the
page shows what real rows would. A few minutes are gaps, one is short of samples, and some contracts
come without the vendor's Greeks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from config.core.redis.client import redis_client
from greeks.chains import Floats, OptionChain
from greeks.maths.aggregation import FilledGreeks, sum_chain
from greeks.maths.black_scholes import all_greeks
from greeks.maths.changes import ContractGreeks, bucket_changes, contract_greeks
from greeks.minutes.chain_rows import write_chains
from greeks.minutes.roll_up import PolledChain
from greeks.minutes.rows import candle_row, write_rows
from greeks.minutes.stored import Chain
from greeks.models import PolledInstrument
from greeks.polling.fill import ChainTerms, fill_greeks
from greeks.polling.latest_chain import (
    KEPT_SECONDS,
    chain_body,
    is_kept_minute,
    latest_chain_key,
)
from greeks.polling.samples import ChainSample, add_sample
from greeks.polling.sessions import session_on_date
from tests.greeks.rolling import roll_up

ZONE = ZoneInfo("Asia/Kolkata")
TODAY, YESTERDAY = date(2026, 11, 26), date(2026, 11, 25)
#: Where the market's clock stands: in the 111th minute of the session.
NOW = datetime(2026, 11, 26, 11, 5, 32, tzinfo=ZONE)
MINUTE = timedelta(minutes=1)
#: Minutes after the opening of which there is no sample, and the one that is short of some.
GAPS, SHORT = range(46, 50), 60
EXPECTED = 12
RATE, DIVIDEND_YIELD = 0.065, 0.012


@dataclass(frozen=True, slots=True)
class SeededChain:
    """One underlying of the seed. ``step`` is between strikes, of which there are 2 × ``reach``."""

    slug: str
    name: str
    key: str
    underlying: str
    level: float
    step: float
    reach: int
    volatility: float
    expiries: tuple[date, ...]
    lot_size: int

    def chain(self, minute: datetime, expiry: date, spot: float, volatility: float) -> OptionChain:
        """Return the chain at a moment; every ninth contract is without the vendor's Greeks."""
        middle = round(self.level / self.step) * self.step
        strikes = middle + self.step * np.arange(-self.reach, self.reach + 1)
        strike = np.repeat(strikes, 2)
        is_call = np.tile([True, False], len(strikes))
        years = (_expires_at(expiry) - minute) / timedelta(days=365)
        distance = np.log(strike / spot) / (self.volatility * years**0.5)
        smile = volatility * (1 - 0.05 * distance + 0.045 * distance**2)
        priced = all_greeks(spot, strike, years, RATE, DIVIDEND_YIELD, smile, is_call)
        unknown = (np.arange(len(strike)) % 9 == 4) & (np.abs(distance) > 1.0)
        interest = _interest(distance, is_call)
        missing = np.where(unknown, np.nan, 1.0)
        return OptionChain(
            source="upstox",
            instrument_key=self.key,
            expiry=expiry,
            as_of=minute + timedelta(seconds=57),
            spot=float(spot),
            keys=tuple(f"NSE_FO|{self.slug}{index}" for index in range(len(strike))),
            strike=strike,
            is_call=is_call,
            bid=np.round(priced.price * 0.995, 2),
            ask=np.round(priced.price * 1.005 + 0.05, 2),
            last=np.round(priced.price + 0.02, 2),
            previous_close=np.round(priced.price * 0.97, 2),
            volume=np.round(interest * 2.2),
            open_interest=interest,
            previous_open_interest=np.round(interest * (0.9 + 0.2 * np.cos(distance))),
            implied_volatility=smile * missing,
            delta=priced.delta * missing,
            gamma=priced.gamma * missing,
            theta=priced.theta * missing,
            vega=priced.vega * missing,
        )


NIFTY = SeededChain(
    "nifty", "Nifty 50", "NSE_INDEX|Nifty 50", "NIFTY",
    26_000.0, 50.0, 34, 0.125, (date(2026, 12, 1), date(2026, 12, 8)), 75,
)  # fmt: skip
BANK_NIFTY = SeededChain(
    "banknifty", "Nifty Bank", "NSE_INDEX|Nifty Bank", "BANKNIFTY",
    58_000.0, 100.0, 30, 0.15, (date(2026, 12, 29),), 35,
)  # fmt: skip


def seed() -> None:
    """Write everything; the database and Redis are those of the settings."""
    for position, seeded in enumerate((NIFTY, BANK_NIFTY)):
        instrument = _instrument(seeded)
        instrument.position = position
        instrument.save()
        _write(seeded, instrument, seeded.expiries[0], YESTERDAY, NOW)
        for expiry in seeded.expiries:
            _write(seeded, instrument, expiry, TODAY, NOW)


def sample(
    seeded: SeededChain, slot: datetime, *, spot: float, volatility: float, seen: int
) -> ChainSample:
    """What a poll of the first expiry at ``slot`` would say."""
    chain = seeded.chain(slot, seeded.expiries[0], spot, volatility)
    return _sample(chain, slot, seen=seen)


def close_minute(*, minute: str) -> None:
    """Roll a minute of Nifty's first chain up, as the beat does once it is over."""
    at = datetime.fromisoformat(minute)
    roll_up(slug=NIFTY.slug, expiry=NIFTY.expiries[0], minute=at)


def _instrument(seeded: SeededChain) -> PolledInstrument:
    return PolledInstrument(
        slug=seeded.slug,
        name=seeded.name,
        instrument_key=seeded.key,
        underlying=seeded.underlying,
        nearest_expiries=len(seeded.expiries),
        simulated=True,
        listed_expiries=[
            {"expiry": each.isoformat(), "lot_size": seeded.lot_size, "is_weekly": True}
            for each in seeded.expiries
        ],
    )


def _expires_at(expiry: date) -> datetime:
    return datetime.combine(expiry, time(15, 30), ZONE)


def _write(
    seeded: SeededChain, instrument: PolledInstrument, expiry: date, day: date, until: datetime
) -> None:
    session = session_on_date(instrument, day)
    if session is None:
        raise RuntimeError(f"{instrument.exchange} has no session on {day}")
    polled = PolledChain(instrument, expiry, EXPECTED)
    count = int((min(until, session.closes_at) - session.opens_at) / MINUTE)
    spots, volatilities = _walk(seeded, day, count + 1)
    rows = []
    before: ContractGreeks | None = None
    for index in range(count):
        minute = session.opens_at + index * MINUTE
        samples: Iterable[ChainSample] = ()
        changes: Floats | None = None
        if index not in GAPS:
            seen = 7 if index == SHORT else EXPECTED
            chain = seeded.chain(minute, expiry, spots[index], volatilities[index])
            filled = fill_greeks(chain, _terms(chain, minute))
            samples = [_sample(chain, minute, seen=seen, filled=filled)] * seen
            contracts = contract_greeks(chain, filled)
            changes = None if before is None else bucket_changes(before, contracts)
            before = contracts
        rows.append(candle_row(polled.minute(minute, session), tuple(samples), changes))
    write_rows(rows)
    write_chains(
        Chain(seeded.key, day, expiry),
        {
            minute: _body(
                instrument, seeded.chain(minute, expiry, spots[index], volatilities[index])
            ).decode()
            for index in range(count)
            if is_kept_minute(session, minute := session.opens_at + index * MINUTE)
        },
    )
    if day == TODAY:
        slot = until.replace(second=30, microsecond=0)
        chain = seeded.chain(slot, expiry, spots[count], volatilities[count])
        body = _body(instrument, chain)
        pipeline = redis_client().pipeline(transaction=False)
        add_sample(pipeline, seeded.slug, expiry, _sample(chain, slot, seen=7))
        pipeline.set(latest_chain_key(seeded.slug, expiry), body, ex=KEPT_SECONDS)
        pipeline.execute()


def _body(instrument: PolledInstrument, chain: OptionChain) -> bytes:
    filled = fill_greeks(chain, _terms(chain, chain.as_of))
    return chain_body(instrument, chain, filled, sum_chain(chain, filled))


def _terms(chain: OptionChain, at: datetime) -> ChainTerms:
    return ChainTerms(
        at=at, expires_at=_expires_at(chain.expiry), rate=RATE, is_american=False, dividends=()
    )


def _sample(
    chain: OptionChain, slot: datetime, *, seen: int, filled: FilledGreeks | None = None
) -> ChainSample:
    filled = filled or fill_greeks(chain, _terms(chain, slot))
    return ChainSample(
        slot=slot,
        as_of=chain.as_of,
        source=chain.source,
        simulated=True,
        spot=chain.spot or float("nan"),
        sums=sum_chain(chain, filled),
        seen=seen,
        expected=EXPECTED,
    )


def _walk(seeded: SeededChain, day: date, count: int) -> tuple[Floats, Floats]:
    """Spot and volatility by the minute: the spot wanders, volatility falls as it rises."""
    noise = np.random.default_rng(day.toordinal() + int(seeded.level))
    steps = noise.normal(0.0, 0.00022, count) + 0.00006 * np.sin(np.arange(count) / 17)
    spots = seeded.level * np.exp(np.cumsum(steps))
    own = np.cumsum(noise.normal(0.0, 0.0011, count))
    volatilities = seeded.volatility * (1 + own - 3.0 * (spots / seeded.level - 1))
    return spots, volatilities


def _interest(distance: Floats, is_call: np.ndarray) -> Floats:
    """Open interest: most of the calls lies above the spot, of the puts below; round numbers."""
    centre = np.where(is_call, 0.9, -0.9)
    shape = np.exp(-0.5 * ((distance - centre) / 0.95) ** 2)
    wave = 0.72 + 0.28 * np.cos(np.arange(len(distance)) // 2 * np.pi / 2.5)
    return np.round(4.2e6 * shape * wave / 75) * 75
