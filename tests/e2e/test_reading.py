"""Without script, by keyboard, with reduced motion, in the theme one chose."""

from __future__ import annotations

import re

import pytest

from tests.e2e.browser import Browser
from tests.e2e.desk import Desk
from tests.e2e.test_live_book import NET_LIQUIDATION, sync_now

# The first test of a process also starts the desk.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PLOT = '[data-chart="net_liquidation"] [data-part="plot"]'
READOUT = '[data-chart="net_liquidation"] .chart-readout'


def test_page_without_script_holds_every_number_and_syncs(monitor: Browser, desk: Desk) -> None:
    monitor.command("Emulation.setScriptExecutionDisabled", value=True)
    monitor.open("/")

    rows = monitor.find_all("[data-position]")
    held = len(desk.held)
    assert len(rows) == held
    assert re.fullmatch(r"[\d,]+\.\d\d", monitor.find(NET_LIQUIDATION).text)
    for shown in ("[data-account] .facts dd", "[data-position] td.c-value", ".strip dd"):
        cells = monitor.texts_in_sight(f"{shown}:not(:has(meter))")
        assert cells
        assert all(cells), shown
    assert not monitor.find('[data-part="connection"]').is_displayed()
    assert not monitor.find("[data-theme-toggle]").is_displayed()

    before = monitor.find(NET_LIQUIDATION).text
    desk.sandbox.market.step(2400)
    monitor.press('[data-part="sync"] button')

    def changed() -> bool:
        monitor.open("/")
        return monitor.find(NET_LIQUIDATION).text != before

    monitor.wait(changed, "the form synced nothing")


def test_skip_link_is_first_and_leads_past_the_header(monitor: Browser) -> None:
    monitor.type_into_focus("TAB")
    assert monitor.script("return document.activeElement.className") == "skip-link"

    monitor.type_into_focus("ENTER")
    assert monitor.script("return document.activeElement.id") == "main"


def test_headings_sort_by_keyboard_and_say_how(monitor: Browser) -> None:
    def deltas() -> list[float]:
        shown = monitor.texts('[data-underlying="SPY"] [data-field="leg_delta"]')
        return [float(text.replace("\u2212", "-").replace(",", "")) for text in shown]

    monitor.script("document.querySelector('th.c-delta button').focus()")
    monitor.type_into_focus("ENTER")
    assert monitor.find("th.c-delta").get_attribute("aria-sort") == "descending"
    assert deltas() == sorted(deltas(), reverse=True)

    monitor.type_into_focus("ENTER")
    assert monitor.find("th.c-delta").get_attribute("aria-sort") == "ascending"
    assert deltas() == sorted(deltas())
    assert monitor.find("th.c-gamma").get_attribute("aria-sort") == "none"
    # The address keeps it.
    monitor.driver.refresh()
    monitor.wait_for('th.c-delta[aria-sort="ascending"]')
    assert deltas() == sorted(deltas())


def test_filter_leaves_the_matching_rows_and_says_how_many(monitor: Browser) -> None:
    monitor.find("#positions-filter").send_keys("SPY P")

    shown = monitor.texts_in_sight("[data-position]")
    assert shown
    assert all(re.match(r"SPY [\d.]+ P", text) for text in shown)
    assert monitor.text('[data-part="filter-status"]').startswith(f"{len(shown)} of ")
    # The address keeps it.
    monitor.driver.refresh()
    monitor.wait(lambda: monitor.text('[data-part="filter-status"]'), "not filtered")
    assert monitor.find("#positions-filter").get_attribute("value") == "SPY P"
    assert len(monitor.texts_in_sight("[data-position]")) == len(shown)


def test_phone_opens_the_legs_of_an_underlying_and_keeps_it_open(monitor: Browser) -> None:
    monitor.resize(390, 844)
    monitor.open("/")
    toggle = '[data-underlying="SPY"] .group-toggle'
    assert monitor.script("return document.documentElement.scrollHeight") < 5000

    def shown() -> set[str]:
        return {text.split()[0] for text in monitor.texts_in_sight("[data-position]")}

    assert shown() == set()
    monitor.script("document.querySelector(arguments[0]).focus()", toggle)
    monitor.type_into_focus("ENTER")
    assert shown() == {"SPY"}
    button = monitor.find(toggle)
    assert button.get_attribute("aria-expanded") == "true"
    assert button.get_attribute("aria-label") == "Legs of SPY"
    heights = monitor.script(
        "return [...document.querySelectorAll('[data-underlying=\"SPY\"] [data-position]')]"
        ".map((row) => row.getBoundingClientRect().height)"
    )
    assert max(heights) < 160
    assert monitor.violations() == []

    monitor.driver.refresh()
    monitor.wait_for('[data-part="connection"][data-state="live"]')
    assert shown() == {"SPY"}
    # A filter shows what matches, open or not.
    monitor.find("#positions-filter").send_keys("AAPL")
    assert shown() == {"AAPL"}
    monitor.find("#positions-filter").clear()
    monitor.script("localStorage.clear()")
    monitor.command("Emulation.setScriptExecutionDisabled", value=True)
    monitor.open("/")
    assert {"SPY", "AAPL"} <= shown()


def test_chart_is_walked_by_keyboard_and_told_as_a_table(monitor: Browser) -> None:
    plot = monitor.wait_for(f"{PLOT}[role=slider]")
    latest = monitor.text(READOUT)
    monitor.script("arguments[0].focus()", plot)
    monitor.type_into_focus("HOME")
    assert plot.get_attribute("aria-valuenow") == "0"
    assert monitor.text(READOUT) != latest
    # The first minute may know one account only; the second knows the book.
    monitor.type_into_focus("ARROW_RIGHT")
    assert plot.get_attribute("aria-valuenow") == "1"
    second = monitor.text(READOUT)
    assert re.search(r"\d\d:\d\d (EST|EDT): [\d,.]+", plot.get_attribute("aria-valuetext") or "")

    monitor.find('[data-chart="net_liquidation"] summary').click()
    table = '[data-chart="net_liquidation"] [data-part="table"]'
    monitor.wait_for(f"{table} tbody tr")
    assert "America/New_York" in monitor.text(f"{table} caption")
    value, minute = re.match(r"\s*([\d,.]+)\s+.*(\d\d:\d\d)", second).groups()  # type: ignore[union-attr]
    oldest_but_one = monitor.texts(f"{table} tbody tr:nth-last-child(2) > *")
    assert oldest_but_one == [minute, value]


def test_chosen_theme_is_there_before_the_first_paint(monitor: Browser) -> None:
    assert monitor.script("return document.documentElement.dataset.theme") is None
    dark = monitor.script("return getComputedStyle(document.documentElement).backgroundColor")

    monitor.find("[data-theme-toggle]").click()

    assert monitor.script("return document.documentElement.dataset.theme") == "light"
    monitor.command("Emulation.setScriptExecutionDisabled", value=True)
    monitor.open("/accounts/time-zone")
    # The server wrote it: there is no moment in the other theme.
    assert monitor.find("html").get_attribute("data-theme") == "light"
    light = monitor.find("html").value_of_css_property("background-color")
    assert light != dark


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_changed_numbers_glow_unless_motion_is_reduced(
    monitor: Browser, desk: Desk, motion: str
) -> None:
    monitor.prefer(scheme="dark", motion=motion)
    monitor.open("/")
    monitor.wait_for('[data-part="connection"][data-state="live"]')
    monitor.script(
        """
        window.animated = 0;
        const animate = Element.prototype.animate;
        Element.prototype.animate = function (...given) {
          window.animated += 1;
          return animate.apply(this, given);
        };
        """
    )
    before = monitor.text(NET_LIQUIDATION)
    desk.sandbox.market.step(2400)
    sync_now(monitor)
    monitor.wait(lambda: monitor.text(NET_LIQUIDATION) != before, "the number stands still")

    animated = monitor.script("return window.animated")
    assert animated == 0 if motion == "reduce" else animated > 0


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1440, 900)])
def test_nothing_moves_while_live(monitor: Browser, desk: Desk, width: int, height: int) -> None:
    monitor.resize(width, height)
    monitor.open("/")
    monitor.draw('[data-chart="greeks"] [data-part="plot"]')
    seen: set[str] = set()
    for _ in range(3):
        seen.add(monitor.text(NET_LIQUIDATION))
        desk.sandbox.market.step(1200)
        sync_now(monitor)
        monitor.wait(lambda: monitor.text(NET_LIQUIDATION) not in seen, "the number stands still")

    assert monitor.script("return window.shift") < 0.02
