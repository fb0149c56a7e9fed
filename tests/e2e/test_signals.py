"""Signals in a real browser: entered by hand, taken up, a rule tried and saved."""

from __future__ import annotations

import pytest

from tests.e2e.browser import REFUSALS, Browser
from tests.e2e.looks import assert_looks_right

# The first test of a process also starts the desk.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
FILL = "document.getElementById(arguments[0]).value = arguments[1]"


def fill(browser: Browser, **values: str) -> None:
    for name, value in values.items():
        browser.driver.execute_script(FILL, name.replace("_", "-"), value)


def assert_clean(browser: Browser, where: str) -> None:
    """Assert that the page looks right and complains of nothing."""
    assert_looks_right(browser, where)
    # The browser says itself that a form was refused.
    assert [line for line in browser.console() if "400 (Bad Request)" not in line] == []
    assert browser.script("return window.refusals ?? []") == []


def test_signal_is_entered_corrected_and_taken_up(browser: Browser) -> None:
    browser.on_each_page(REFUSALS)
    browser.log_in()
    browser.open("/trades/signals")
    fill(browser, new_symbol="spy", new_legs="-1 SPY?")
    browser.script("document.getElementById('new-symbol').form.requestSubmit()")
    # What was wrong is named, what was typed is kept.
    browser.wait_for(".notice-error")
    assert browser.script("return document.getElementById('new-legs').value") == "-1 SPY?"
    assert_clean(browser, "refused")
    fill(browser, new_legs="-1 SPY301220P00600000\n1 SPY301220P00580000")
    browser.script("document.getElementById('new-symbol').form.requestSubmit()")
    browser.wait_for("[value=take_up]")
    browser.script("document.querySelector('[value=take_up]').click()")
    browser.wait(lambda: "The signal is active." in browser.text("main"), "it was not taken up")
    assert_clean(browser, "taken up")
    browser.open("/trades/signals")
    browser.wait_for("[data-signal]")
    assert_clean(browser, "list")


def test_rule_is_tried_on_past_trades_then_saved(browser: Browser) -> None:
    browser.on_each_page(REFUSALS)
    browser.log_in()
    browser.open("/trades/signals/rules")
    assert_clean(browser, "rules")
    fill(browser, rule_name="Half of it", rule_threshold="50", rule_band="10")
    browser.script("document.querySelector('#rule-form [value=try]').click()")
    browser.wait_for("#tried-title")
    # The form still holds what was tried.
    assert browser.script("return document.getElementById('rule-name').value") == "Half of it"
    assert_clean(browser, "tried")
    browser.script("document.querySelector('#rule-form [value=save]').click()")
    browser.wait(lambda: "Half of it" in browser.text("main"), "the rule was not saved")
    browser.wait_until_gone("#tried-title")
    assert_clean(browser, "saved")
