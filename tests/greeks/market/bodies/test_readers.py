from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from config.core.clock import market_now
from greeks.market.bodies import cache, warming
from greeks.market.bodies.questions import CLOSES, MarketQuestion, choice_for
from greeks.market.bodies.warming import warm_closed_minute
from tests.greeks.market import stored

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nifty")]


def test_body_is_made_ready_for_as_long_as_somebody_reads_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored.store()
    made: list[Any] = []
    monkeypatch.setattr(warming, "warm_market_body", lambda *, choice: made.append(choice))

    def close_a_minute() -> bool:
        minute = stored.OPENING + timedelta(minutes=73)
        return warm_closed_minute(slug="nifty", expiry=stored.EXPIRY, minute=minute)

    assert close_a_minute()
    assert made == []

    question = MarketQuestion(slug="nifty", expiry=stored.EXPIRY, columns=CLOSES)
    cache.prepared_market_body(choice=choice_for(question, market_now()))
    assert close_a_minute()
    assert len(made) == 1
