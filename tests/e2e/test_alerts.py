"""Alerts and /system in a real browser: in place, live, on a phone, by plain forms."""

from __future__ import annotations

import pytest

from tests.e2e.alert_rows import NAME, PASSWORD
from tests.e2e.browser import Browser
from tests.e2e.looks import DESK, PHONE, SIZES, assert_looks_right
from tests.e2e.market_desk import MarketDesk

# The first test of a process also starts the desk.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LIVE = '[data-part="connection"][data-state="live"]'
PAGES = ("/market/alerts", "/system")


@pytest.fixture
def browser(market_visitor: Browser) -> Browser:
    """A window in which the operator is logged in."""
    market_visitor.open("/accounts/login?next=/market/alerts")
    market_visitor.fill_in_log_in(NAME, PASSWORD)
    market_visitor.wait_for("[data-alerts]")
    return market_visitor


@pytest.mark.parametrize("path", PAGES)
def test_page_fits_its_width_and_satisfies_axe_in_both_themes(browser: Browser, path: str) -> None:
    browser.open(path)
    assert_looks_right(browser, path, sizes=SIZES)


def test_rule_is_added_changed_and_deleted_in_place(browser: Browser) -> None:
    browser.wait_for(LIVE)
    before = len(browser.find_all("#alerts-rules .alert-rule"))
    browser.script("window.stays = true")
    browser.find("#alert-threshold").send_keys("20")
    browser.find("#alert-form [type=submit]").click()
    browser.wait(
        lambda: len(browser.find_all("#alerts-rules .alert-rule")) == before + 1, "no new rule"
    )
    assert "is watched from the next minute on" in browser.text("#alerts-rules .notice")

    browser.script("document.querySelector('.alert-rule:last-child a').click()")
    browser.wait(
        lambda: browser.text("#alert-form-title") == "Change an alert", "the form did not change"
    )
    browser.wait(
        lambda: browser.script("return document.activeElement.id") == "alert-threshold", "no focus"
    )
    browser.script(
        "document.querySelector('#alert-threshold').value = 'high';"
        "document.querySelector('#alert-form').requestSubmit()"
    )
    browser.wait_for("#alert-form .errorlist")
    assert "Enter a number." in browser.text("#alert-form .errorlist")

    browser.script("document.querySelector('.alert-rule:last-child .button-delete').click()")
    browser.wait(
        lambda: len(browser.find_all("#alerts-rules .alert-rule")) == before, "still there"
    )
    assert browser.script("return window.stays")


def test_what_is_raised_appears_by_itself_and_is_read_out(
    browser: Browser, market_desk: MarketDesk
) -> None:
    browser.wait_for(LIVE)
    browser.wait(lambda: browser.script("return window.seen.frames.length"), "no snapshot")
    market_desk.raise_event("NIFTY 50: Spot above 26,300.00")
    browser.wait(
        lambda: browser.texts(".alert-event strong")[:1] == ["NIFTY 50: Spot above 26,300.00"],
        "the alert did not appear",
    )
    assert "Spot above 26,300.00" in browser.text('[data-alerts] [data-part="status"]')
    browser.find("#alerts-events .panel-head button").click()
    browser.wait(lambda: not browser.find_all(".alert-event[data-new]"), "still new")


@pytest.mark.parametrize("path", ["/", "/risk", "/accounts/tokens", "/system"])
def test_what_is_raised_is_seen_on_every_page(
    browser: Browser, market_desk: MarketDesk, path: str
) -> None:
    browser.open(path)
    title = browser.driver.title
    seen = "return seen.frames.some((frame) => frame.type === 'alerts.snapshot')"
    browser.wait(lambda: browser.script(seen), "no snapshot")
    before = unread(browser)
    market_desk.raise_event(f"Raised while {path} is shown")
    browser.wait_for(".toast")
    assert browser.text(".toast strong") == f"Raised while {path} is shown"
    assert browser.text(".toast p") == "14.20"
    assert unread(browser) == before + 1
    assert browser.driver.title.startswith(f"({before + 1}) ")
    assert browser.driver.title.endswith(title.split(") ")[-1])
    if path == "/":
        assert browser.text(".recent-alerts strong") == f"Raised while {path} is shown"
        for size in (PHONE, DESK):
            browser.resize(*size)
            assert browser.width_beyond_window() <= 0, size
            assert browser.violations() == [], size
    browser.find(".toast-close").click()
    browser.wait_until_gone(".toast")
    # It is not shown a second time.
    browser.driver.refresh()
    browser.wait(lambda: browser.script(seen) and unread(browser) == before + 1, "no count")
    assert not browser.find_all(".toast")


def unread(browser: Browser) -> int:
    """Return the count in the header."""
    return int(browser.text(".alert-count") or 0)


def test_notifications_are_asked_for_by_the_button_only(
    browser: Browser, market_desk: MarketDesk
) -> None:
    browser.on_each_page(
        """
        window.asked = 0;
        window.notified = [];
        window.Notification = class {
          static permission = "default";
          static async requestPermission() {
            window.asked += 1;
            return (window.Notification.permission = "granted");
          }
          constructor(title, { body, tag }) { window.notified.push([title, body, tag]); }
        };
        """
    )
    browser.open("/market/alerts")
    button = browser.wait_for('[data-part="notify"]:not([hidden])')
    assert browser.script("return window.asked") == 0
    button.click()
    browser.wait_for('[data-part="notify"][aria-pressed="true"]')
    browser.wait_for(LIVE)
    browser.script(
        "Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })"
    )
    market_desk.raise_event("While nobody looks")
    (told,) = browser.wait(lambda: browser.script("return window.notified"), "no notification")
    assert told[:2] == ["While nobody looks", "14.20"]
    browser.script("delete document.hidden; document.querySelector('[data-part=notify]').click()")
    browser.wait_for('[data-part="notify"][aria-pressed="false"]')


def test_panel_of_the_market_page_is_live_and_keeps_its_forms(
    browser: Browser, market_desk: MarketDesk
) -> None:
    browser.open("/market")
    browser.wait(
        lambda: any(
            frame["type"] == "alerts.snapshot" for frame in browser.script("return seen.frames")
        ),
        "no snapshot",
    )
    market_desk.raise_event("BANK NIFTY: PCR below 0.800")
    browser.wait(
        lambda: browser.texts(".alert-event strong")[:1] == ["BANK NIFTY: PCR below 0.800"],
        "the alert did not appear",
    )
    browser.find("#alerts-events .panel-head button").click()
    browser.wait(lambda: not browser.find_all(".alert-event[data-new]"), "still new")
    assert browser.script("return location.pathname") == "/market"
    assert browser.find("#alert-form [name=page]").get_attribute("value") == "market"


def test_system_page_is_fetched_anew_while_it_is_looked_at(browser: Browser) -> None:
    browser.open("/system")
    browser.wait(
        lambda: ["/system", 200] in browser.script("return window.seen.fetched"), "not fetched"
    )
    assert "Upstox" in browser.text("#system-tokens")
    browser.draw('[data-chart="responses"] [data-part="plot"]')
    assert "POST accounts/login" in browser.text("#system-responses")
    browser.find('[data-chart="responses"] summary').click()
    # The page may just have been fetched anew, and its chart not be drawn yet.
    browser.wait(lambda: browser.texts('[data-chart="responses"] tbody tr'), "no table")
    assert "canary" not in browser.script("return document.documentElement.outerHTML")


def test_rule_is_made_without_script(browser: Browser) -> None:
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    browser.open("/market/alerts")
    browser.find("#alert-threshold").send_keys("21")
    browser.find("#alert-form [type=submit]").click()
    browser.wait_for(".messages .notice-success")
    assert "is watched from the next minute on" in browser.find(".messages").text
