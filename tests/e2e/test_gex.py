"""The page of gamma exposure in a real browser: charts, keyboard, tables, phones."""

from __future__ import annotations

import pytest

from tests.e2e.browser import Browser
from tests.e2e.looks import DESK, PHONE
from tests.e2e.market_page import focus

# The first test of a process also starts the desk.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

STRIKES = '[data-figure="strikes"]'


def test_charts_walk_by_keyboard_tell_their_figures_and_satisfy_axe(market: Browser) -> None:
    for size in (DESK, PHONE):
        market.resize(*size)
        market.open("/gex?symbol=NIFTY")
        market.draw(f"{STRIKES} [data-part=plot]")
        market.wait_for("[data-part=heat-map] [data-cell]")
        assert market.width_beyond_window() <= 0, size
        assert market.violations() == [], size
    assert market.small_targets() == []
    spoken = market.find(f"{STRIKES} [role=slider]").get_attribute("aria-valuetext")
    focus(market, f"{STRIKES} [role=slider]")
    market.type_into_focus("ARROW_RIGHT")
    moved = market.find(f"{STRIKES} [role=slider]").get_attribute("aria-valuetext")
    assert (spoken or "").startswith("Strike ")
    assert moved != spoken
    market.script("for (const each of document.querySelectorAll('.chart-table')) each.open = true")
    market.wait_for(f"{STRIKES} [data-part=table] tbody tr")
    focus(market, '[data-part="heat-map"] [tabindex="0"]')
    market.wait(
        lambda: market.text("[data-part=heat-readout]").startswith("Strike "), "no cell is read"
    )
