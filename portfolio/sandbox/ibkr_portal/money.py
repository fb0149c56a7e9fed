"""The Client Portal's answers about accounts and money, field by field as recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from portfolio.sandbox.books import SimulatedAccount


def account_row(account: SimulatedAccount, at: datetime) -> dict[str, Any]:
    """Return a row of ``/portfolio/accounts``: the account was opened a year ago."""
    number = account.account_number
    return {
        "id": number,
        "PrepaidCrypto-Z": False,
        "PrepaidCrypto-P": False,
        "brokerageAccess": True,
        "accountId": number,
        "accountVan": number,
        "accountTitle": "Simulated account",
        "displayName": "Simulated account",
        "accountAlias": None,
        "accountStatus": int((at - timedelta(days=365)).timestamp() * 1000),
        "currency": account.currency,
        "type": "DEMO",
        "tradingType": "STKNOPT",
        "businessType": "INDEPENDENT",
        "category": "",
        "ibEntity": "IBLLC-US",
        "faclient": False,
        "clearingStatus": "O",
        "covestor": False,
        "noClientTrading": False,
        "trackVirtualFXPortfolio": False,
        "acctCustType": "INDIVIDUAL",
        "parent": {
            "mmc": [],
            "accountId": "",
            "isMParent": False,
            "isMChild": False,
            "isMultiplex": False,
        },
        "desc": number,
    }


def brokerage_accounts(accounts: Sequence[SimulatedAccount]) -> dict[str, Any]:
    """``/iserver/accounts``."""
    numbers = [account.account_number for account in accounts]
    properties = {
        "hasChildAccounts": False,
        "supportsCashQty": True,
        "liteUnderPro": False,
        "noFXConv": False,
        "isProp": False,
        "supportsFractions": True,
        "allowCustomerTime": False,
        "autoFx": False,
    }
    return {
        "accounts": numbers,
        "acctProps": dict.fromkeys(numbers, properties),
        "aliases": {number: number for number in numbers},
        "allowFeatures": {"snapshotRefreshTimeout": 30, "allowedAssetTypes": "STK,OPT,IND"},
        "chartPeriods": {"STK": ["*"], "OPT": ["2h", "1d", "2d", "1w", "1m"], "IND": ["*"]},
        "groups": [],
        "profiles": [],
        "selectedAccount": numbers[0] if numbers else "",
        "serverInfo": {"serverName": "Sandbox", "serverVersion": "Build 10.44.1d"},
        "sessionId": "sandbox",
        "isFT": False,
        "isPaper": True,
    }


def portfolio_summary(account: SimulatedAccount, at: datetime) -> dict[str, Any]:
    """Return ``/portfolio/{id}/summary``: lower-case keys of one shape, without P&L."""
    money = account.summary()
    amounts: dict[str, tuple[float, str | None]] = {
        "netliquidation": (money.net_liquidation, money.currency),
        "buyingpower": (money.buying_power, money.currency),
        "totalcashvalue": (money.cash, money.currency),
        "settledcash": (money.cash, money.currency),
        "initmarginreq": (money.initial_margin, money.currency),
        "maintmarginreq": (money.maintenance_margin, money.currency),
        "fullinitmarginreq": (money.initial_margin, money.currency),
        "fullmaintmarginreq": (money.maintenance_margin, money.currency),
        "excessliquidity": (money.excess_liquidity, money.currency),
        "fullexcessliquidity": (money.excess_liquidity, money.currency),
        "availablefunds": (money.available, money.currency),
        "fullavailablefunds": (money.available, money.currency),
        "equitywithloanvalue": (money.net_liquidation, money.currency),
        "grosspositionvalue": (abs(money.market_value), money.currency),
        "cushion": (round(money.cushion, 4), None),
    }
    stamp = int(at.timestamp() * 1000)

    def entry(amount: float, currency: str | None, value: str) -> dict[str, Any]:
        return {
            "amount": amount,
            "currency": currency,
            "isNull": False,
            "timestamp": stamp,
            "value": value,
            "severity": 0,
        }

    body = {"accountcode": entry(0.0, None, account.account_number)}
    return body | {
        key: entry(amount, currency, str(amount)) for key, (amount, currency) in amounts.items()
    }


def brokerage_summary(account: SimulatedAccount) -> dict[str, Any]:
    """Return ``/iserver/account/{id}/summary``: the same money, camelCase keys, whole units."""
    money = account.summary()
    return {
        "accountType": "",
        "status": "",
        "balance": round(money.available),
        "SMA": round(money.available),
        "buyingPower": round(money.buying_power),
        "availableFunds": round(money.available),
        "excessLiquidity": round(money.excess_liquidity),
        "netLiquidationValue": round(money.net_liquidation),
        "equityWithLoanValue": round(money.net_liquidation),
        "regTLoan": 0.0,
        "securitiesGVP": round(abs(money.market_value)),
        "totalCashValue": round(money.cash),
        "accruedInterest": 0.0,
        "regTMargin": 0.0,
        "initialMargin": round(money.initial_margin),
        "maintenanceMargin": round(money.maintenance_margin),
        "cashBalances": [
            {"currency": money.currency, "balance": money.cash, "settledCash": money.cash}
        ],
    }


def ledger(account: SimulatedAccount, at: datetime) -> dict[str, Any]:
    """Return ``/portfolio/{id}/ledger``: a row per currency, and BASE with the account's P&L."""
    money = account.summary()

    def row(currency: str, rate: float = 1.0) -> dict[str, Any]:
        zero = dict.fromkeys(
            (
                "commoditymarketvalue",
                "futuremarketvalue",
                "corporatebondsmarketvalue",
                "warrantsmarketvalue",
                "interest",
                "moneyfunds",
                "funds",
                "issueroptionsmarketvalue",
                "futuresonlypnl",
                "tbondsmarketvalue",
                "futureoptionmarketvalue",
                "cashbalancefxsegment",
                "tbillsmarketvalue",
                "dividends",
                "cryptocurrencyvalue",
            ),
            0.0,
        )
        return zero | {
            "settledcash": money.cash,
            "exchangerate": rate,
            "sessionid": 1,
            "cashbalance": money.cash,
            "netliquidationvalue": money.net_liquidation,
            "unrealizedpnl": money.unrealized_pnl,
            "stockmarketvalue": round(money.market_value - money.option_value, 2),
            "currency": currency,
            "realizedpnl": money.realized_pnl,
            "acctcode": account.account_number,
            "key": "LedgerList",
            "timestamp": int(at.timestamp()),
            "severity": 0,
            "stockoptionmarketvalue": money.option_value,
            "secondkey": currency,
            "endofbundle": 1,
        }

    # Cash is in the base currency only: what is held in another was paid for in it.
    foreign = {
        currency: row(currency, rate)
        | {"cashbalance": 0.0, "settledcash": 0.0, "netliquidationvalue": 0.0}
        for currency, rate in account.exchange_rates().items()
    }
    return {money.currency: row(money.currency), **foreign, "BASE": row("BASE")}


def partitioned_pnl(account: SimulatedAccount) -> dict[str, Any]:
    """Return one entry of ``/iserver/account/pnl/partitioned``."""
    money = account.summary()
    return {
        "rowType": 1,
        "dpl": round(money.realized_pnl + money.unrealized_pnl, 2),
        "nl": money.net_liquidation,
        "upl": money.unrealized_pnl,
        "uel": money.excess_liquidity,
        "el": money.excess_liquidity,
        "mv": money.market_value,
    }
