from greeks.models.contract_greeks import ContractGreekHistory, ContractGreeks
from greeks.models.dividend import Dividend
from greeks.models.exchange_session import ExchangeSession
from greeks.models.instrument import Instrument, InstrumentAlias

__all__ = [
    "ContractGreekHistory",
    "ContractGreeks",
    "Dividend",
    "ExchangeSession",
    "Instrument",
    "InstrumentAlias",
]
