"""Logging in and out, as a user does."""

from __future__ import annotations

import pytest

from tests.e2e.browser import Browser

# The first test of a process also starts the desk.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
FAILURES_ALLOWED = 5


def test_right_password_leads_to_the_risk_monitor(browser: Browser) -> None:
    browser.open("/")
    assert "/accounts/login" in browser.driver.current_url

    browser.fill_in_log_in("demo", "demo")

    browser.wait_for("[data-risk-monitor]")
    assert browser.text("h1") == "Risk monitor"


def test_wrong_password_is_told_and_the_name_is_kept(browser: Browser) -> None:
    browser.open("/accounts/login")
    browser.fill_in_log_in("somebody", "wrong")

    browser.wait_for(".notice-error")
    assert "correct username and password" in browser.find("[role=alert]").text
    assert browser.find("[name=username]").get_attribute("value") == "somebody"
    assert browser.find("[name=password]").get_attribute("value") == ""

    # A form that came too late is told of on a page of the desk.
    browser.script("document.querySelector('main [name=csrfmiddlewaretoken]').value = 'late'")
    browser.fill_in_log_in("somebody", "wrong")
    browser.wait(lambda: browser.text("h1") == "This form was not taken", "not refused")
    assert browser.violations() == []
    assert browser.script("return getComputedStyle(document.body).margin") == "0px"


def test_too_many_failures_lock_the_name_out_and_say_for_how_long(browser: Browser) -> None:
    for _ in range(FAILURES_ALLOWED):
        browser.open("/accounts/login")
        browser.fill_in_log_in("locked", "wrong")

    browser.wait_for("#locked-title")
    assert browser.text("h1") == "Too many failed log-ins"
    assert "15 minutes" in browser.find("main").text

    browser.open("/accounts/login")
    browser.fill_in_log_in("locked", "right or not")
    assert browser.text("h1") == "Too many failed log-ins"


def test_logging_out_ends_the_live_page_of_the_same_session(monitor: Browser) -> None:
    live = monitor.driver.current_window_handle
    monitor.driver.switch_to.new_window("tab")
    monitor.open("/accounts/tokens")
    monitor.find("details.menu summary").click()
    monitor.forget_log_in()
    monitor.press(".menu-items form button")
    monitor.driver.close()
    monitor.driver.switch_to.window(live)

    monitor.wait_for('[data-part="connection"][data-state="ended"]')
    monitor.wait_until_gone(".recent-alerts")
    monitor.press('[data-part="problem"] [data-part="retry"]')
    monitor.wait_for("[name=username]")
