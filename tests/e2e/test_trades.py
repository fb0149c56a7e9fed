"""The journal in a real browser: fills that appear live, notes that survive a rebuild."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from tests.e2e.browser import WITNESS, Browser
from tests.e2e.desk import Desk
from tests.e2e.test_pages import REFUSALS

# The first test of a process also starts the desk.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
ROWS = "[data-trade] th a"


def test_fills_appear_live_and_a_note_survives_a_rebuild(browser: Browser, desk: Desk) -> None:
    browser.on_each_page(WITNESS)
    browser.on_each_page(REFUSALS)
    browser.log_in()
    browser.open("/trades")
    browser.wait_for('[data-part="connection"][data-state="live"]')
    browser.wait(lambda: browser.script("return window.seen.frames.length"), "no snapshot came")
    desk.manage("sync_executions")
    browser.wait(lambda: browser.find_all("[data-fill]"), "no fill appeared")
    browser.wait(lambda: browser.find_all(ROWS), "the list did not follow")

    browser.script("document.activeElement.blur()")
    ActionChains(browser.driver).send_keys("jx").perform()
    assert (
        browser.script("return document.querySelectorAll('[data-trade] input:checked').length") == 1
    )
    address = browser.script(f"return document.querySelector('{ROWS}').getAttribute('href')")
    browser.open(address)
    browser.script("document.getElementById('new-note').value = 'Too early.'")
    browser.script("document.getElementById('note-form').requestSubmit()")
    browser.wait(lambda: "Too early." in browser.texts("textarea"), "the note was not kept")
    net = browser.text('[data-part="net"]')
    desk.manage("rebuild_trades")
    browser.open(address)
    assert "Too early." in browser.texts("textarea")
    assert browser.text('[data-part="net"]') == net
    assert browser.console() == []
    assert browser.script("return window.refusals ?? []") == []
