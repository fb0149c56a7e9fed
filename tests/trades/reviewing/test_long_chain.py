"""A position that was rolled week after week: drawn around the trade, listed whole."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from django.test import Client

from portfolio.domain import Side
from tests.factories import AccountFactory
from tests.trades.strategies.test_store import fill, option, record
from trades.models import Trade

pytestmark = pytest.mark.django_db
DAY = 1440
ROLLS = 16


@pytest.fixture
def page(client: Client) -> Client:
    account = AccountFactory.create(account_id="U1", account_number="U1", broker="IBKR")
    client.force_login(account.owner)
    rows = [fill(0, -1, order_id="r0", contract=option(50), price=Decimal(3))]
    for number in range(1, ROLLS):
        opened = fill(
            number * DAY, -1, order_id=f"r{number}", contract=option(50 + number), price=Decimal(3)
        )
        closed = replace(
            opened, side=Side.BUY, contract=option(49 + number), price=Decimal(1),
            broker_execution_id=f"c{number:04x}.01.01",
        )  # fmt: skip
        rows += [closed, opened]
    record(*rows)
    return client


@pytest.mark.parametrize(
    ("position", "first", "last"), [(ROLLS - 1, 4, 15), (0, 0, 11), (9, 0, 11), (11, 2, 13)]
)
def test_twelve_lots_around_the_trade_are_drawn(
    page: Client, position: int, first: int, last: int
) -> None:
    key = list(Trade.objects.order_by("opened_at").values_list("pk", flat=True))[position]
    answer = page.get(f"/trades/{key}")
    (chain,) = answer.context["chains"]
    strikes = [bar.label.split(" × ")[1].split(" ")[0] for bar in chain.drawing.bars]
    assert strikes == [str(50 + number) for number in range(first, last + 1)]
    assert [bar.is_own for bar in chain.drawing.bars].index(True) == position - first
    assert len(chain.drawing.joins) == 11
    assert len(chain.steps) == ROLLS
    assert "12 of 16 lots drawn; the list has all" in answer.content.decode()


def test_several_chains_of_a_trade_are_told_apart_in_the_readers_zone(client: Client) -> None:
    account = AccountFactory.create(account_id="U1", account_number="U1", broker="IBKR")
    account.owner.time_zone = "Asia/Tokyo"
    account.owner.save()
    client.force_login(account.owner)
    rows = [fill(place, -1, order_id="both", contract=option(50 - 5 * place)) for place in (0, 1)]
    for place, (old, new) in enumerate(((50, 51), (45, 46))):
        opened = fill((place + 1) * DAY, -1, order_id=f"r{place}", contract=option(new))
        name = f"c{place:04x}.01.01"
        rows += [
            opened,
            replace(opened, side=Side.BUY, contract=option(old), broker_execution_id=name),
        ]
    record(*rows)
    first = Trade.objects.earliest("opened_at")
    shown = client.get(f"/trades/{first.pk}").content.decode()
    assert [f"<h2>Chain of rolls {place} of 2</h2>" in shown for place in (1, 2)] == [True, True]
    assert "JST" in shown
    assert "UTC" not in shown
    assert "JST" in client.get("/trades").content.decode()
