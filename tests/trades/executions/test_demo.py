"""The demo's journal goes with its market."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from portfolio.demo.seed import prepare_demo
from portfolio.models import Account
from tests.trades.journal.test_pages import record
from trades.models import TradeExecution, TradeLot

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def test_another_market_begins_with_an_empty_journal(settings: Settings, tmp_path: Path) -> None:
    settings.DEMO, settings.VAR_DIR = True, tmp_path
    prepare_demo(seed=1, chain="")
    account = Account.objects.filter(broker="IBKR").first()
    assert account is not None
    record(account, (10, "600"), (-4, "610"))
    prepare_demo(seed=1, chain="")
    assert TradeExecution.objects.count() == 2
    prepare_demo(seed=2, chain="")
    assert TradeExecution.objects.count() == TradeLot.objects.count() == 0
