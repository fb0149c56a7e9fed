from portfolio.models.account import Account, AccountAccess, Portfolio
from portfolio.models.account_history import AccountDay, AccountHistory
from portfolio.models.account_status import AccountStatus
from portfolio.models.beta import Beta, DailyClose
from portfolio.models.fx_rate import FxRate
from portfolio.models.order import Order
from portfolio.models.portfolio_day import PortfolioDay
from portfolio.models.position import Position
from portfolio.models.quarantine import QuarantinedRow
from portfolio.models.quote import PriceBar, Quote
from portfolio.models.scenario import Scenario, ScenarioGrid
from portfolio.models.sync_run import SyncRun

__all__ = [
    "Account",
    "AccountAccess",
    "AccountDay",
    "AccountHistory",
    "AccountStatus",
    "Beta",
    "DailyClose",
    "FxRate",
    "Order",
    "Portfolio",
    "PortfolioDay",
    "Position",
    "PriceBar",
    "QuarantinedRow",
    "Quote",
    "Scenario",
    "ScenarioGrid",
    "SyncRun",
]
