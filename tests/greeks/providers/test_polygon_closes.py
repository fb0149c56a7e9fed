"""Daily closes, and when the provider is set up at all."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest

from config.core.errors import (
    InvalidInput,
    MalformedResponse,
)
from greeks.providers import registry
from greeks.providers.base import ClientProvider, CountsCalls, DailyClosesProvider
from tests.greeks.providers.polygon_support import (
    answering,
    provider,
    query,
)


def bar(day: str, close: Any) -> dict[str, Any]:
    opens = {"2026-03-06": 1772773200000, "2026-03-09": 1773028800000, "2026-11-02": 1793595600000}
    return {"t": opens[day], "c": close, "o": 1, "h": 2, "l": 1, "v": 10, "n": 1, "vw": 1.5}


def test_closes_are_of_the_days_in_new_york_in_summer_and_winter() -> None:
    asked: list[httpx.Request] = []
    bars = [bar("2026-03-06", 10.5), bar("2026-03-09", 11), bar("2026-11-02", 12.25)]

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"status": "DELAYED", "results": bars})

    fetched = provider(handler).fetch_daily_closes(
        "SPX", start=date(2026, 3, 6), end=date(2026, 11, 2)
    )

    assert [(each.symbol, each.session_date, each.close) for each in fetched.items] == [
        ("SPX", date(2026, 3, 6), Decimal("10.5")),
        ("SPX", date(2026, 3, 9), Decimal(11)),
        ("SPX", date(2026, 11, 2), Decimal("12.25")),
    ]
    [request] = asked
    assert request.url.path == "/v2/aggs/ticker/I:SPX/range/1/day/2026-03-06/2026-11-02"
    assert query(request) == {"adjusted": "true", "sort": "asc", "limit": "50000"}


def test_closes_of_several_pages_are_whole_or_raise() -> None:
    following = "https://api.massive.com/v2/aggs/ticker/SPY/range/1/day/1/2?cursor=x"
    first = {"status": "OK", "results": [bar("2026-03-06", 10)], "next_url": following}
    second = {"status": "OK", "results": [bar("2026-03-09", 11)]}
    days = {"start": date(2026, 3, 6), "end": date(2026, 3, 9)}

    assert len(answering(first, second).fetch_daily_closes("SPY", **days).items) == 2
    with pytest.raises(MalformedResponse):
        answering(first, {"status": "OK", "results": 7}).fetch_daily_closes("SPY", **days)


@pytest.mark.parametrize("close", [None, float("nan"), "many", 0, -3, True])
def test_damaged_bar_is_set_aside(close: Any) -> None:
    text = httpx.Response(
        200,
        text=json.dumps(
            {"status": "OK", "results": [bar("2026-03-06", close), bar("2026-03-09", 11)]}
        ),
    )
    fetched = answering(text).fetch_daily_closes(
        "SPY", start=date(2026, 3, 6), end=date(2026, 3, 9)
    )
    assert len(fetched.items) == len(fetched.rejected) == 1


def test_symbol_without_a_past_has_none() -> None:
    body = {"status": "OK", "ticker": "NONE", "queryCount": 0, "resultsCount": 0}
    days = {"start": date(2026, 3, 6), "end": date(2026, 3, 9)}
    assert answering(body).fetch_daily_closes("NONE", **days).items == ()


def test_provider_is_configured_when_the_settings_hold_a_key(settings: Any) -> None:
    assert registry.configured_providers() == ()
    assert registry.open_daily_closes_provider() is None
    with pytest.raises(InvalidInput, match="polygon"):
        registry.open_provider("polygon")

    settings.POLYGON_API_KEY = "key"
    settings.POLYGON_URL = "https://polygon.test"

    assert registry.configured_providers() == ("polygon",)
    opened = registry.open_daily_closes_provider()
    assert isinstance(opened, DailyClosesProvider)
    assert isinstance(opened, CountsCalls)
    assert opened.source == "polygon"
    assert isinstance(opened, ClientProvider)
    assert opened.server == "polygon@polygon.test"
    opened.close()
