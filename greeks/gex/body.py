"""The JSON body of gamma exposure: rounded for charts, in columns."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from config.core.clock import market_now
from greeks.calendar.sessions import session_dates
from greeks.chains import Floats
from greeks.gex import shapes
from greeks.gex.chains.assembling import Assembled
from greeks.gex.chains.subjects import Subject
from greeks.gex.engine.definition import Dealers, Definition
from greeks.gex.engine.exposure import (
    Exposure,
    Summary,
    compute_exposure,
    summarise,
    zero_dte_share,
)
from greeks.polling.sessions import session_for

SCHEMA = 1
#: The heat map's size: the nearest expiries, and the strikes with the most exposure in them.
CELL_EXPIRIES, CELL_STRIKES = 12, 30
# Digits of a number that is only drawn.
_DIGITS = 6


def exposure_body(
    subject: Subject,
    assembled: Assembled,
    definition: Definition,
    dealers: Dealers,
    expiries: Collection[date] = (),
) -> shapes.GexData:
    """Return the body of a subject's chain under a definition."""
    exposure = compute_exposure(assembled.columns, definition, dealers, expiries)
    sums = sums_of(summarise(exposure))
    at = market_now()
    return shapes.GexData(
        **{name: getattr(sums, name) for name in shapes.GexSums.__struct_fields__},
        schema=SCHEMA,
        symbol=subject.symbol,
        name=subject.name,
        currency=subject.terms.currency,
        source=assembled.source,
        simulated=subject.simulated,
        spot=exposure.spot,
        spot_source="parity" if assembled.spot_by_parity else "quoted",
        timestamp=assembled.as_of.astimezone(subject.terms.exchange.zone),
        computed_at=at.astimezone(subject.terms.exchange.zone),
        open_interest_as_of=assembled.open_interest_as_of,
        definition=definition_of(definition, dealers),
        zero_dte_share=zero_dte_share(exposure),
        expiries=sorted(expiries),
        detail=_detail(exposure, assembled),
        version=int(at.timestamp()),
        session_date=session_day(subject, at),
    )


def session_day(subject: Subject, at: datetime) -> date:
    """Return the session day to which a snapshot at an instant belongs."""
    session = None if subject.instrument is None else session_for(subject.instrument, at)
    if session is not None:
        return session.session_date
    return session_dates(subject.terms.exchange.name)(at)


def definition_of(definition: Definition, dealers: Dealers) -> shapes.GexDefinition:
    return shapes.GexDefinition(
        definition.name, definition.key, definition.words, dealers.name, dealers.words
    )


def sums_of(summary: Summary) -> shapes.GexSums:
    flip = summary.zero_gamma
    return shapes.GexSums(
        gamma_exposure=summary.net,
        absolute_exposure=summary.absolute,
        call_exposure=summary.call,
        put_exposure=summary.put,
        vanna_exposure=summary.vanna,
        charm_exposure=summary.charm,
        call_wall=summary.call_wall,
        put_wall=summary.put_wall,
        largest_call_strike=summary.largest_call_strike,
        largest_put_strike=summary.largest_put_strike,
        zero_gamma=shapes.ZeroGamma(
            flip.level, None if flip.reason is None else flip.reason.value, list(flip.crossings)
        ),
    )


def _detail(exposure: Exposure, assembled: Assembled) -> shapes.GexDetail:
    days = [date.fromordinal(day) for day in exposure.expiries.tolist()]
    return shapes.GexDetail(
        without_zero_dte=sums_of(summarise(exposure, without_zero_dte=True)),
        by_strike=shapes.GexStrikes(
            exposure.strikes.tolist(),
            *(_drawn(each.sum(axis=1)) for each in _measures(exposure)),
        ),
        by_expiry=shapes.GexExpiries(
            days,
            exposure.is_zero_dte.tolist(),
            *(_drawn(each.sum(axis=0)) for each in _measures(exposure)),
        ),
        cells=_cells(exposure, days),
        profile=shapes.GexProfile(
            _drawn(exposure.levels), *(_drawn(column) for column in exposure.profile.T)
        ),
        counts=shapes.GexCounts(
            contracts=exposure.contracts,
            unpriced=exposure.unpriced,
            undetermined=exposure.undetermined,
            expired=assembled.expired,
            without_open_interest=assembled.without_open_interest,
            adjusted=assembled.adjusted,
        ),
    )


def _measures(exposure: Exposure) -> tuple[Floats, Floats, Floats, Floats]:
    return exposure.call, exposure.put, exposure.vanna, exposure.charm


def _cells(exposure: Exposure, days: list[date]) -> shapes.GexCells:
    net = (exposure.call + exposure.put)[:, :CELL_EXPIRIES]
    size = np.abs(net).sum(axis=1)
    places: NDArray[np.intp] = np.sort(np.argsort(-size, kind="stable")[:CELL_STRIKES])
    return shapes.GexCells(
        exposure.strikes[places].tolist(),
        days[:CELL_EXPIRIES],
        [_drawn(row) for row in net[places]],
    )


def _drawn(values: Floats) -> list[float | None]:
    return [float(f"{value:.{_DIGITS}g}") for value in values.tolist()]
