"""Every page in a real browser: no errors, no scroll to the side, nothing axe finds wrong."""

from __future__ import annotations

import pytest

from tests.e2e.browser import REFUSALS, Browser
from tests.e2e.looks import PHONE, SIZES, assert_looks_right

# The first test of a process also starts the desk.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

OWN_PAGES = (
    "/",
    "/dashboard",
    "/accounts/tokens",
    "/accounts/second-factor",
    "/accounts/second-factor/set-up",
    "/accounts/time-zone",
    "/accounts/password",
    "/system/styleguide",
    "/trades",
    "/trades/executions",
    "/trades/statistics",
    "/trades/reconcile",
    "/trades/import",
    "/trades/signals",
    "/portfolios",
    "/api/docs",
    "/api/docs/risk_monitor_fast",
    "/nowhere",
)
# Django's own markup: ours to serve without errors, not ours to lay out.
FOREIGN_PAGES = ("/admin/",)


def open_page(browser: Browser, path: str) -> None:
    if path != "/accounts/login":
        browser.log_in()
    browser.open(path)
    if path == "/":
        browser.wait_for('[data-part="connection"][data-state="live"]')
        browser.draw('[data-chart="greeks"] [data-part="plot"]')
    if path == "/dashboard":
        browser.wait_for('[data-part="connection"][data-state="live"]')
        browser.wait_until_gone("[data-late]")


@pytest.mark.parametrize("path", ["/accounts/login", *OWN_PAGES, *FOREIGN_PAGES])
def test_page_leaves_the_console_empty_and_looks_right(browser: Browser, path: str) -> None:
    browser.on_each_page(REFUSALS)
    open_page(browser, path)

    complaints = browser.console()
    if path == "/nowhere":
        complaints = [line for line in complaints if "404" not in line]
    assert complaints == []
    assert browser.script("return window.refusals") == []
    if path not in FOREIGN_PAGES:
        assert_looks_right(browser, path, sizes=SIZES)


def test_open_menu_satisfies_axe_and_closes_with_escape(browser: Browser) -> None:
    open_page(browser, "/accounts/time-zone")
    browser.resize(*PHONE)
    browser.find("details.menu summary").click()

    assert browser.violations() == []
    assert browser.small_targets() == []
    assert browser.width_beyond_window() <= 0
    browser.type_into_focus("ESCAPE")
    browser.wait_until_gone("details.menu[open]")


def test_files_with_hashed_names_are_kept_for_ever(browser: Browser) -> None:
    open_page(browser, "/")
    kept = browser.driver.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        const files = performance.getEntriesByType("resource").map((entry) => entry.name)
          .filter((name) => name.includes("/static/"));
        Promise.all(files.map(async (name) => [name,
          (await fetch(name)).headers.get("Cache-Control")])).then(done);
        """
    )

    assert len(kept) > 10
    assert {how for _, how in kept} == {"max-age=315360000, public, immutable"}
