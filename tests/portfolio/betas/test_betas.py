"""Closes and betas: fetched within the budget, adjusted when the past was, never set over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.core.cache import cache

from auth_tokens.models import User
from config.core.clock import market_now, now
from config.core.errors import CircuitOpen, ProviderError, RateLimitedError
from greeks.domain import DailyClose as FetchedClose
from greeks.domain import Fetched
from portfolio.betas import writing as betas
from portfolio.betas.reading import known_betas
from portfolio.betas.writing import symbols_in_use, update_betas
from portfolio.models import Account, Beta, DailyClose
from portfolio.tasks.risk import update_betas_task
from tests.portfolio.risk.legs import stored_account, stored_option

pytestmark = pytest.mark.django_db

RANDOM = np.random.default_rng(11)
MARKET = RANDOM.normal(0, 0.01, 120)


class FakeProvider:
    """Answers from prices by symbol; ``fail`` raises before an answer."""

    source = "polygon"

    def __init__(self) -> None:
        self.prices = {"SPY": self.walk(MARKET), "AAPL": self.walk(1.3 * MARKET)}
        self.asked: list[tuple[str, date, date]] = []
        self.fail: Callable[[str], Exception | None] = lambda _: None
        self.closed = 0

    @staticmethod
    def walk(returns: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
        return [100.0, *(100.0 * np.exp(np.cumsum(returns))).tolist()]

    def fetch_daily_closes(self, symbol: str, *, start: date, end: date) -> Fetched[FetchedClose]:
        error = self.fail(symbol)
        if error is not None:
            raise error
        self.asked.append((symbol, start, end))
        last = market_now().date() - timedelta(days=1)
        prices = self.prices.get(symbol, [])
        items = tuple(
            FetchedClose(
                symbol=symbol,
                session_date=last - timedelta(days=len(prices) - 1 - index),
                close=Decimal(f"{price:.6f}"),
            )
            for index, price in enumerate(prices)
        )
        kept = tuple(each for each in items if start <= each.session_date <= end)
        return Fetched(items=kept, source=self.source, as_of=now())

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    fake = FakeProvider()
    monkeypatch.setattr(betas, "open_daily_closes_provider", lambda: fake)
    return fake


@pytest.fixture(autouse=True)
def account(trader: User) -> Account:
    account = stored_account(trader)
    stored_option(account, underlying="AAPL", strike=240)
    return account


def test_betas_of_what_is_held_come_from_the_closes(provider: FakeProvider) -> None:
    done = update_betas()
    assert sorted(done.fetched) == ["AAPL", "SPY"]
    assert sorted(done.unknown) == ["DIA", "IWM", "QQQ"]
    beta = Beta.objects.get(symbol="AAPL", benchmark="SPY")
    assert beta.value == pytest.approx(1.3, rel=1e-3)
    assert (beta.source, beta.observations) == ("history", 120)
    assert beta.as_of.date() == market_now().date() - timedelta(days=1)
    assert provider.closed == 1


def test_second_run_of_a_day_asks_for_nothing(provider: FakeProvider) -> None:
    update_betas()
    provider.asked.clear()
    done = update_betas()
    assert (provider.asked, done.fetched) == ([], [])
    assert Beta.objects.filter(source="history").count() == done.betas


def test_next_day_asks_only_for_the_end(provider: FakeProvider) -> None:
    update_betas()
    DailyClose.objects.filter(session_date=market_now().date() - timedelta(days=1)).delete()
    cache.clear()
    provider.asked.clear()
    update_betas()
    assert {(end - start).days for symbol, start, end in provider.asked if symbol == "SPY"} == {11}
    assert DailyClose.objects.filter(symbol="SPY").count() == 121


def test_split_makes_the_whole_past_be_fetched_anew(provider: FakeProvider) -> None:
    update_betas()
    DailyClose.objects.filter(session_date=market_now().date() - timedelta(days=1)).delete()
    cache.clear()
    provider.prices["AAPL"] = [price / 4 for price in provider.prices["AAPL"]]
    update_betas()
    assert max(DailyClose.objects.filter(symbol="AAPL").values_list("close", flat=True)) < 50
    assert Beta.objects.get(symbol="AAPL").value == pytest.approx(1.3, rel=1e-3)


def test_used_up_budget_puts_the_rest_off(provider: FakeProvider) -> None:
    provider.fail = lambda symbol: (
        RateLimitedError("five a minute", retry_after=60) if symbol != "SPY" else None
    )
    done = update_betas()
    assert done.fetched == ["SPY"]
    assert done.put_off == ["QQQ", "IWM", "DIA", "AAPL"]


def test_failing_symbol_stops_no_other_and_an_open_breaker_stops_all(
    provider: FakeProvider,
) -> None:
    provider.fail = lambda symbol: ProviderError("no") if symbol == "SPY" else None
    done = update_betas()
    assert done.failed == {"SPY": "provider_error"}
    assert done.fetched == ["AAPL"]
    provider.fail = lambda _: CircuitOpen("open")
    assert update_betas().failed == {"SPY": "provider_circuit_open"}
    assert provider.closed == 2


def test_time_that_is_up_puts_the_rest_off(provider: FakeProvider) -> None:
    assert update_betas(seconds=0).put_off == ["SPY", "QQQ", "IWM", "DIA", "AAPL"]


def test_beta_that_was_set_stays(provider: FakeProvider) -> None:
    Beta.objects.create(symbol="AAPL", benchmark="SPY", value=0.7, as_of=now())
    update_betas_task()
    assert known_betas(["AAPL"], benchmark="SPY")["AAPL"].value == 0.7
    assert Beta.objects.filter(symbol="AAPL", benchmark="SPY").count() == 2


def test_without_a_provider_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(betas, "open_daily_closes_provider", lambda: None)
    done = update_betas()
    assert (done.fetched, done.failed, done.betas) == ([], {}, 0)


def test_months_of_a_future_are_one_product(account: Account) -> None:
    for month in ("/ESZ6", "/ESH7"):
        stored_option(account, underlying=month, strike=6000)
    assert symbols_in_use().count("/ES") == 1
