"""The page as the server renders it, and the socket that tells of snapshots."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from greeks.gex.feed import GexFeed
from greeks.gex.reading import get_gex
from greeks.gex.snapshots import take_snapshot
from tests.greeks.conftest import Desk
from tests.greeks.gex.conftest import AT

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def page(**parameters: Any) -> str:
    response = Client().get("/gex", parameters)
    assert response.status_code == 200
    return response.content.decode()


def field(html: str, name: str) -> str:
    """Return the text of the element that shows a field."""
    return html.split(f'data-field="{name}"', 1)[1].split(">", 1)[1].split("<", 1)[0].strip()


def test_page_shows_the_last_known_answer_without_fetching(
    polled: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = get_gex("NIFTY")
    monkeypatch.setattr("greeks.gex.reading.fetch_exposure", lambda _: pytest.fail("fetched"))
    html = page(symbol="NIFTY")
    assert field(html, "spot") == f"{body.spot:,.2f}"
    assert field(html, "call_wall") == f"{body.call_wall:,.0f}"
    assert field(html, "definition_version") == "settlement_instant.2"
    assert field(html, "dealers_words") == "long calls, short puts"


def test_page_before_the_first_answer_has_dashes_for_figures(polled: Desk) -> None:
    html = page(symbol="NIFTY")
    assert 'data-figure="strikes"' in html
    assert html.count('class="missing"') > 5


def test_wrong_choice_is_reported_and_the_default_is_shown(polled: Desk) -> None:
    html = page(symbol="<x", definition="mine", date="soon", at="7", expiries="2026-12-01")
    told = html.split("Not used from the address:")[1].split("</p>")[0]
    for name in ("symbol", "definition", "date", "at", "expiries"):
        assert f"{name}: " in told
    assert field(html, "definition_version") == "settlement_instant.2"
    assert "Not used" not in page(symbol="nifty", date="")


def test_past_day_is_shown_from_its_snapshot(polled: Desk, settings: Settings) -> None:
    take_snapshot(symbol="NIFTY")
    spot = get_gex("NIFTY").spot
    settings.MARKET_CLOCK = (AT + timedelta(days=3)).isoformat()
    html = page(symbol="NIFTY", date="2026-11-27")
    assert field(html, "spot") == f"{spot:,.2f}"
    assert 'data-state="replay"' in html
    assert "No gamma exposure of NIFTY was kept" in page(symbol="NIFTY", date="2026-11-20")


def test_desk_that_follows_nothing_says_so(db: None) -> None:
    assert "No instrument is polled yet" in page()


def test_page_follows_its_data_s_setting(polled: Desk, settings: Settings) -> None:
    settings.MARKET_DATA_PUBLIC = False
    assert Client().get("/gex").status_code == 302
    assert Client().get("/api/gex").status_code in (401, 403)


def test_feed_tells_of_each_new_snapshot(polled: Desk, settings: Settings) -> None:
    feed = GexFeed("NIFTY")
    assert feed.read(None) is None
    take_snapshot(symbol="NIFTY")
    first = feed.read(None)
    assert first == AT
    assert feed.read(first) is first
    settings.MARKET_CLOCK = (AT + timedelta(minutes=5)).isoformat()
    take_snapshot(symbol="NIFTY")
    assert feed.read(first) == AT + timedelta(minutes=5)
    assert feed.groups(None) == ["gex.nifty"]
