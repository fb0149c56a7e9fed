from greeks.models.alert import AlertChannel, AlertDelivery, AlertEvent, AlertRule
from greeks.models.chain_snapshot import ChainSnapshot
from greeks.models.contract_greeks import ContractGreekHistory, ContractGreeks
from greeks.models.dividend import Dividend
from greeks.models.exchange_session import ExchangeSession
from greeks.models.gex_snapshot import GexSnapshot
from greeks.models.greek_snapshot import GreekSnapshot
from greeks.models.instrument import Instrument, InstrumentAlias
from greeks.models.polled_instrument import PolledInstrument
from greeks.models.stored_day import StoredDay

__all__ = [
    "AlertChannel",
    "AlertDelivery",
    "AlertEvent",
    "AlertRule",
    "ChainSnapshot",
    "ContractGreekHistory",
    "ContractGreeks",
    "Dividend",
    "ExchangeSession",
    "GexSnapshot",
    "GreekSnapshot",
    "Instrument",
    "InstrumentAlias",
    "PolledInstrument",
    "StoredDay",
]
