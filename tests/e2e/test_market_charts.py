"""The market's charts in a real browser: zoom, fingers, one cross-hair, gaps, the keyboard."""

from __future__ import annotations

import re

import pytest

from tests.e2e.browser import Browser
from tests.e2e.looks import PHONE
from tests.e2e.market_page import AT, DELTA, PLOT, SUM, VEGA, drag, focus, open_market, pinch, show
from tests.e2e.market_rows import GAPS, SHORT

# The first test of a process also starts the desk.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


# --- Zoom and cross-hair ------------------------------------------------------------------------
def test_drag_zooms_every_chart_and_a_double_click_shows_the_day(market: Browser) -> None:
    drag(market, f"{VEGA} .greek-plot-change .u-over", 0.2, 0.6)
    market.wait(lambda: "span=" in market.driver.current_url, "nothing is zoomed")
    span = int(re.search(r"span=(\d+)", market.driver.current_url).group(1))  # type: ignore[union-attr]
    assert 35 <= span <= 55
    assert "end=" in market.driver.current_url
    market.wait_until_gone('[data-part="brush"][data-whole]')

    market.driver.refresh()
    market.wait_for(f"{DELTA} .greek-plot-from-open .u-over")
    market.wait_until_gone('[data-part="brush"][data-whole]')
    market.script(
        """
        document.querySelector(arguments[0]).dispatchEvent(
          new MouseEvent("dblclick", { bubbles: true }));
        """,
        f"{DELTA} .greek-plot-from-open .u-over",
    )
    market.wait_for('[data-part="brush"][data-whole]')
    assert "span=" not in market.driver.current_url


def test_brush_is_moved_by_keyboard_and_spans_follow_the_latest(market: Browser) -> None:
    focus(market, '[data-part="brush-pair"] input:first-child')
    market.type_into_focus("PAGE_UP", "ARROW_RIGHT")
    market.wait(lambda: "span=" in market.driver.current_url, "nothing is zoomed")
    assert "end=" not in market.driver.current_url
    begin = market.find('[data-part="brush-pair"] input:first-child')
    assert re.fullmatch(r"\d\d:\d\d", begin.get_attribute("aria-valuetext") or "")

    market.find("[name=span][value='30']").find_element("xpath", "..").click()
    assert "span=30" in market.driver.current_url


def test_two_fingers_zoom_on_a_phone(market: Browser) -> None:
    market.resize(*PHONE)
    open_market(market)
    pinch(market, f"{VEGA} .greek-plot-from-open .u-over")
    market.wait(lambda: "span=" in market.driver.current_url, "nothing is zoomed")
    assert not market.find_all('[data-part="brush"][data-whole]')
    assert market.width_beyond_window() <= 0


def test_chart_is_walked_by_keyboard_and_all_read_the_same_minute(market: Browser) -> None:
    focus(market, PLOT)
    market.type_into_focus("HOME", "ARROW_RIGHT")
    plot = market.find(PLOT)
    assert plot.get_attribute("aria-valuenow") == "1"
    assert re.match(
        r"09:16 IST: both sides [+−]?[\d.,]+ since the open, [+−]?[\d.,]+ in the minute",
        plot.get_attribute("aria-valuetext") or "",
    )
    assert market.text(f"{DELTA} {AT}") == market.text(f"{VEGA} {AT}") == "09:16"
    fields = ("from_open", "change", "close")
    shown = [market.text(f'{VEGA} tr[data-side="total"] [data-field="{name}"]') for name in fields]
    market.find(f"{VEGA} summary").click()
    market.wait_for(f'{VEGA} [data-part="table"] tbody tr')
    row = market.texts(f'{VEGA} [data-part="table"] tbody tr:nth-last-child(2) > *')
    assert row == ["09:16", *shown]
    assert "Asia/Kolkata" in market.text(f'{VEGA} [data-part="table"] caption')

    focus(market, PLOT)
    market.type_into_focus("ESCAPE")
    assert market.text(f"{DELTA} {AT}").endswith("forming")


def test_gap_is_a_gap_and_the_minute_after_it_has_no_change(market: Browser) -> None:
    focus(market, PLOT)
    market.type_into_focus("HOME", "PAGE_UP", "PAGE_UP", "PAGE_UP", "ARROW_RIGHT")
    plot = market.find(PLOT)
    assert plot.get_attribute("aria-valuenow") == str(GAPS.start)
    assert plot.get_attribute("aria-valuetext") == "10:01 IST: gap, no sample arrived"
    assert market.text(f"{VEGA} {AT}") == "10:01 gap"
    assert "no value" in market.text(SUM)

    market.type_into_focus(*["ARROW_RIGHT"] * len(GAPS))
    assert "no value" in market.text(f'{VEGA} tr[data-side="total"] [data-field="change"]')
    assert "no value" not in market.text(f'{VEGA} tr[data-side="total"] [data-field="from_open"]')
    market.type_into_focus(*["ARROW_RIGHT"] * (SHORT - GAPS.stop))
    assert market.text(f"{VEGA} {AT}") == "10:15 · 7/12"


def test_strikes_are_walked_by_keyboard_and_told_as_a_table(market: Browser) -> None:
    plot = '[data-strikes="open_interest"] [data-part="plot"]'
    show(market, plot)
    spoken = market.find(plot).get_attribute("aria-valuetext") or ""
    assert re.match(r"Strike 26,\d\d0: calls [\d.]+[kM], puts [\d.]+[kM]", spoken)
    focus(market, plot)
    market.type_into_focus("ARROW_RIGHT")
    assert market.find(plot).get_attribute("aria-valuetext") != spoken
    market.find('[data-strikes="open_interest"] summary').click()
    market.wait_for('[data-strikes="open_interest"] tbody tr')
    assert len(market.find_all('[data-strikes="open_interest"] tbody tr')) > 20
