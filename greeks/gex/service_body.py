"""An external service's answer in our body: sums only, by its own definition."""

from __future__ import annotations

from config.core.clock import market_now
from greeks.gex import shapes
from greeks.gex.body import SCHEMA, session_day
from greeks.gex.chains.subjects import Subject
from greeks.gex.questions import SERVICE_SERIES
from greeks.providers.exposure_service import SOURCE, fetch_service_exposure

_DEFINITION = shapes.GexDefinition(
    SOURCE, SERVICE_SERIES[0], "The service's own definition.", SERVICE_SERIES[1], "as it assumes"
)


def service_body(subject: Subject) -> shapes.GexData:
    """Ask the service. Raises the call's errors."""
    told = fetch_service_exposure(subject.symbol)
    at, zone = market_now(), subject.terms.exchange.zone
    crossings = [] if told.zero_gamma is None else [told.zero_gamma]
    return shapes.GexData(
        schema=SCHEMA,
        symbol=subject.symbol,
        name=subject.name,
        currency=subject.terms.currency,
        source=SOURCE,
        simulated=subject.simulated,
        spot=told.spot,
        timestamp=told.as_of.astimezone(zone),
        computed_at=at.astimezone(zone),
        open_interest_as_of=None,
        definition=_DEFINITION,
        gamma_exposure=told.gamma_exposure,
        absolute_exposure=told.absolute_exposure,
        call_exposure=None,
        put_exposure=None,
        vanna_exposure=told.vanna_exposure,
        charm_exposure=told.charm_exposure,
        call_wall=told.call_wall,
        put_wall=told.put_wall,
        largest_call_strike=None,
        largest_put_strike=None,
        zero_gamma=shapes.ZeroGamma(told.zero_gamma, None, crossings),
        zero_dte_share=None,
        expiries=[],
        detail=None,
        version=int(at.timestamp()),
        session_date=session_day(subject, at),
    )
