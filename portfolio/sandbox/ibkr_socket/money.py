"""An account's values under TWS's names: text, one row per currency, plus BASE."""

from __future__ import annotations

from collections.abc import Iterator

from portfolio.sandbox.books import SimulatedAccount

BASE = "BASE"
Row = tuple[str, str, str]


def account_values(account: SimulatedAccount) -> list[Row]:
    """Return tag, value and currency of every value, with ``-S`` rows for securities."""
    money = account.summary()
    in_currency = {
        "NetLiquidation": money.net_liquidation,
        "TotalCashValue": money.cash,
        "SettledCash": money.cash,
        "BuyingPower": money.buying_power,
        "EquityWithLoanValue": money.net_liquidation,
        "GrossPositionValue": abs(money.market_value),
        "RegTMargin": money.initial_margin,
        "InitMarginReq": money.initial_margin,
        "MaintMarginReq": money.maintenance_margin,
        "AvailableFunds": money.available,
        "ExcessLiquidity": money.excess_liquidity,
        "FullInitMarginReq": money.initial_margin,
        "FullMaintMarginReq": money.maintenance_margin,
        "FullAvailableFunds": money.available,
        "FullExcessLiquidity": money.excess_liquidity,
        "LookAheadInitMarginReq": money.initial_margin,
        "LookAheadMaintMarginReq": money.maintenance_margin,
        "LookAheadAvailableFunds": money.available,
        "LookAheadExcessLiquidity": money.excess_liquidity,
    }
    rows: list[Row] = [
        ("AccountCode", account.account_number, ""),
        ("AccountReady", "true", ""),
        ("AccountType", "INDIVIDUAL", ""),
        ("Currency", BASE, BASE),
        ("Cushion", f"{money.cushion:.6f}", ""),
        ("DayTradesRemaining", "-1", ""),
        ("LookAheadNextChange", "0", ""),
    ]
    rows += [(tag, _money(amount), money.currency) for tag, amount in in_currency.items()]
    rows += [
        (f"{tag}-S", _money(in_currency[tag]), money.currency)
        for tag in ("NetLiquidation", "TotalCashValue", "EquityWithLoanValue", "ExcessLiquidity")
    ]
    return [*rows, *ledger_values(account)]


def ledger_values(account: SimulatedAccount) -> Iterator[Row]:
    """Yield the ledger, by currency and in the base currency."""
    money = account.summary()
    ledger = {
        "CashBalance": money.cash,
        "TotalCashBalance": money.cash,
        "AccruedCash": 0.0,
        "StockMarketValue": money.market_value - money.option_value,
        "OptionMarketValue": money.option_value,
        "FutureOptionValue": 0.0,
        "FuturesPNL": 0.0,
        "NetLiquidationByCurrency": money.net_liquidation,
        "UnrealizedPnL": money.unrealized_pnl,
        "RealizedPnL": money.realized_pnl,
        "NetDividend": 0.0,
    }
    for currency in (BASE, money.currency):
        for tag, amount in ledger.items():
            yield tag, _money(amount), currency
        yield "ExchangeRate", "1.00", currency
        yield "RealCurrency", currency, currency
    for currency, rate in account.exchange_rates().items():
        yield "CashBalance", _money(0.0), currency
        yield "ExchangeRate", f"{rate:.7f}", currency
        yield "RealCurrency", currency, currency


def _money(amount: float) -> str:
    return f"{amount:.2f}"
