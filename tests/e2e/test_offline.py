"""Offline, or at a desk that does not answer: what is shown and typed stays, and is said so."""

from __future__ import annotations

import pytest

from tests.e2e.browser import Browser
from tests.e2e.market_page import LIVE, choose, focus, points
from tests.e2e.test_pages import open_page
from tests.e2e.test_risk import open_risk

# The first test of a process also starts the desk.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_choice_that_gets_no_answer_goes_back_and_is_offered_again(market: Browser) -> None:
    resolution = "return document.querySelector('[name=resolution]').value"
    address, minutes = market.driver.current_url, points(market)
    market.unplug()
    focus(market, "[name=resolution]")
    choose(market, "resolution", "15m")
    assert "You are offline. The page shows the last known figures." in market.problem()
    assert market.script(resolution) == "1m"
    assert market.driver.current_url == address
    assert points(market) == minutes
    focus(market, "#delta-from")
    market.type_into_focus("ARROW_RIGHT")
    shown = "return document.querySelector('#delta-from').value"
    market.wait(lambda: market.script(shown) == "0", "the range stays as chosen")
    market.wait_for('[data-part="connection"][data-state="offline"]')

    market.unplug(unplugged=False)
    market.wait_for(LIVE)
    market.command("Network.setBlockedURLs", urls=["*/market/data*"])
    choose(market, "resolution", "15m")
    market.wait(lambda: "The desk did not answer" in market.problem(), "said to be offline")
    market.command("Network.setBlockedURLs", urls=[])
    focus(market, '[data-part="retry"]')
    market.try_again()
    market.wait(lambda: points(market) < minutes / 10, "as many points as before")
    assert market.script(resolution) == "15m"
    assert "resolution=15m" in market.driver.current_url
    market.console()


def test_choice_without_an_answer_goes_back_and_is_offered_again(browser: Browser) -> None:
    browser.log_in()
    open_risk(browser)
    benchmark = "return document.querySelector('#benchmark').value"
    address = browser.driver.current_url
    browser.find("#axis-vol").send_keys(", 20")
    browser.unplug()
    browser.find('#benchmark [value="QQQ"]').click()
    assert "You are offline. The page shows the last known state." in browser.problem()
    assert browser.script(benchmark) == "SPY"
    assert browser.driver.current_url == address
    # What is typed is not lost.
    assert str(browser.find("#axis-vol").get_attribute("value")).endswith(", 20")

    browser.unplug(unplugged=False)
    browser.find('[data-part="retry"]').send_keys("\n")
    browser.wait(lambda: "shares of QQQ" in browser.text("#risk-strip"), "not weighted anew")
    assert browser.script(benchmark) == "QQQ"
    assert "benchmark=QQQ" in browser.driver.current_url

    browser.unplug()
    browser.script("document.querySelector('.scenario-days [data-key=\"day-30\"]').click()")
    browser.problem()
    assert "day=30" not in browser.driver.current_url
    assert "Today" in browser.text("#heat-caption")
    browser.unplug(unplugged=False)
    browser.try_again()
    assert "In 30 days" in browser.text("#heat-caption")
    assert "day=30" in browser.driver.current_url
    browser.console()


def test_exposure_that_gets_no_answer_keeps_its_choices(market: Browser) -> None:
    market.open("/gex?symbol=NIFTY")
    market.wait_for("[data-part=heat-map] [data-cell]")
    chosen = "return document.querySelector('[name=dealers]').value"
    first = market.script(chosen)
    wanted = market.find("[name=dealers] option:not(:checked)").get_attribute("value")
    market.unplug()
    choose(market, "dealers", wanted or "")
    assert "You are offline." in market.problem()
    assert market.script(chosen) == first
    assert f"dealers={first}" in market.driver.current_url

    market.unplug(unplugged=False)
    market.try_again()
    assert market.script(chosen) == wanted
    assert f"dealers={wanted}" in market.driver.current_url
    market.console()


@pytest.mark.parametrize(
    ("path", "leaving"),
    [("/", ".choices a:nth-child(2)"), ("/accounts/time-zone", "main form [type=submit]")],
)
def test_page_stays_while_the_next_one_cannot_come(
    browser: Browser, path: str, leaving: str
) -> None:
    open_page(browser, path)
    address = browser.driver.current_url
    browser.unplug()
    browser.find(leaving).click()
    assert "You are offline. This page stays as it is." in browser.problem()
    assert browser.driver.current_url == address
    assert browser.text("h1") in ("Risk monitor", "Time zone")

    browser.unplug(unplugged=False)
    browser.press('[data-part="retry"]')
    browser.wait_for("main h1")
    assert ("account_id=" in browser.driver.current_url) == (path == "/")
