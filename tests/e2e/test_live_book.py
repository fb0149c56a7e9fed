"""The risk monitor while it is open: numbers move, syncs run and fail, lines are cut."""

from __future__ import annotations

import re

import pytest

from tests.e2e.browser import Browser
from tests.e2e.desk import Desk

# The first test of a process also starts the desk.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

NET_LIQUIDATION = '[data-total="net_liquidation"]'
LIVE = '[data-part="connection"][data-state="live"]'
MINUTES = 40 * 60
# A poll each ten seconds would make the test wait for nothing.
QUICK_TIMERS = """
  const interval = window.setInterval;
  window.setInterval = (call, delay) => interval(call, delay > 5000 ? 500 : delay);
"""


def sync_now(browser: Browser) -> str:
    """Press the button, wait for the end, and return the screen reader's text."""
    browser.find('[data-part="sync"] button').click()
    said = '[data-part="sync-status"]'
    browser.wait(lambda: re.search("finished|failed", browser.text(said)), "the sync never ended")
    browser.wait_until_gone('[data-part="sync"][data-running]')
    return browser.text(said)


def sockets_of_the_book(browser: Browser) -> int:
    """Return how many the page has opened; the alerts have one of their own."""
    count = "return seen.sockets.filter((one) => one.url.includes('/ws/portfolio')).length"
    return int(browser.script(count))


def test_sync_in_another_process_changes_numbers_without_a_reload(
    monitor: Browser, desk: Desk
) -> None:
    monitor.script("window.sameDocument = true")
    before = monitor.text(NET_LIQUIDATION)
    prices = monitor.texts('[data-field="price"]')
    desk.sandbox.market.step(MINUTES)

    desk.manage("sync_portfolio")

    monitor.wait(lambda: monitor.text(NET_LIQUIDATION) != before, "the number stands still")
    monitor.wait(lambda: monitor.texts('[data-field="price"]') != prices, "prices stand still")
    assert monitor.script("return window.sameDocument")
    assert sockets_of_the_book(monitor) == 1
    assert not any(path.endswith("/fast") for path, _ in monitor.script("return seen.fetched"))

    # It reaches the open page of portfolios once they are totalled.
    monitor.open("/portfolios")
    monitor.wait_for(LIVE)
    monitor.wait(lambda: monitor.script("return seen.frames.length > 0"), "no snapshot")
    monitor.script("window.sameDocument = true")
    row = monitor.find("[data-row^=portfolio-]").get_attribute("data-row")
    assert row is not None
    shown = f'[data-row="{row}"] [data-field="value"]'
    value = monitor.text(shown)
    desk.total_portfolio(int(row.removeprefix("portfolio-")))
    monitor.wait(lambda: monitor.text(shown) != value, "the portfolio stands still")
    assert monitor.script("return window.sameDocument")
    assert monitor.console() == []


def test_page_shows_what_the_broker_holds(monitor: Browser, desk: Desk) -> None:
    held = len(desk.held)

    rows = monitor.find_all("[data-position]")

    assert len(rows) == held
    assert monitor.text('[data-total="legs"]') == str(held)
    assert monitor.text('[data-total="legs_without_greeks"]') == "0"
    whole = sum(account.summary().net_liquidation for account in desk.sandbox.books.accounts())
    shown = float(monitor.text(NET_LIQUIDATION).replace(",", ""))
    assert shown == pytest.approx(whole, rel=0.02)


def test_sync_now_shows_its_progress_and_finishes(monitor: Browser, desk: Desk) -> None:
    desk.sandbox.faults.add(path="positions|balances|ledger", times=None, delay=0.15)
    monitor.script(
        """
        window.labels = new Set();
        window.steps = new Set();
        const label = document.querySelector('[data-part="sync"] [data-part="label"]');
        const page = document.querySelector("[data-risk-monitor]");
        new MutationObserver(() => {
          labels.add(label.textContent);
          const parts = '[data-part="step"], [data-part="sync-steps"]';
          for (const step of page.querySelectorAll(parts)) {
            if (step.textContent) steps.add(step.textContent);
          }
        }).observe(page, { subtree: true, childList: true, characterData: true });
        """
    )

    assert sync_now(monitor) == "Sync finished: 2 accounts"

    percents = {
        int(found.group(1))
        for label in monitor.script("return [...labels]")
        if (found := re.fullmatch(r"Syncing (\d+)%", label))
    }
    assert percents & set(range(1, 100)), percents
    steps = monitor.script("return [...steps]")
    assert "Positions" in steps
    # What runs stands beside the button too, by account and step.
    assert any("IBKR margin (positions)" in step for step in steps), steps
    assert monitor.text('[data-part="sync"] [data-part="label"]') == "Sync now"
    assert monitor.find('[data-part="sync"] button').is_enabled()
    assert not monitor.find('[data-part="problem"]').is_displayed()

    # A page that is read again goes on where the first one was.
    desk.sandbox.faults.clear()
    desk.sandbox.faults.add(path="positions", times=None, delay=1.0)
    monitor.find('[data-part="sync"] button').click()
    monitor.wait(lambda: "Positions" in monitor.texts('[data-part="step"]'), "no step")
    monitor.open("/")
    assert monitor.text('[data-part="sync-status"]') == "Syncing 2 accounts"
    said = "return document.querySelector('[data-part=\"sync-status\"]').textContent"
    monitor.wait(lambda: monitor.script(said) == "Sync finished: 2 accounts", "it never ended")


def test_failed_sync_says_so_and_keeps_the_last_good_book(monitor: Browser, desk: Desk) -> None:
    rows = len(monitor.find_all("[data-position]"))
    html = {"status": 200, "body": "<html>maintenance</html>"}
    desk.sandbox.faults.add(server="tastytrade", path="positions", times=None, **html)

    assert sync_now(monitor) == "Sync failed for Tastytrade margin"

    assert "the last good book is kept" in monitor.find('[data-part="problem"]').text
    card = '[data-account="5WX00001"]'
    monitor.wait(lambda: monitor.find(f'{card} [data-flag="error"]').is_displayed(), "no badge")
    assert monitor.find(f'{card} [data-part="error"]').is_displayed()
    # In words: the code is the API's.
    said = monitor.text(f'{card} [data-part="error"]')
    assert "positions" in said
    assert "malformed_response" not in said
    assert not monitor.find('[data-account="DU1000001"] [data-flag="error"]').is_displayed()
    assert len(monitor.find_all("[data-position]")) == rows

    # Without its orders the book is stored: that is no failure, and says what it lacks.
    desk.sandbox.faults.clear()
    desk.sandbox.faults.add(server="tastytrade", path="orders", times=None, **html)
    assert sync_now(monitor) == "Sync finished: 2 accounts, Tastytrade margin in part"
    monitor.wait(lambda: monitor.find(f'{card} [data-flag="partial"]').is_displayed(), "no badge")
    assert not monitor.find(f'{card} [data-flag="error"]').is_displayed()
    assert "Orders" in monitor.find(f'{card} [data-part="error"]').text

    desk.sandbox.faults.clear()
    assert sync_now(monitor) == "Sync finished: 2 accounts"
    monitor.wait(
        lambda: not monitor.find(f'{card} [data-flag="partial"]').is_displayed(), "the badge stays"
    )
    assert not monitor.find('[data-part="problem"]').is_displayed()


def test_change_that_does_not_follow_asks_for_a_snapshot(monitor: Browser) -> None:
    snapshot = "return seen.frames.some((f) => f.type === 'portfolio.snapshot')"
    monitor.wait(lambda: monitor.script(snapshot), "no first snapshot")
    shown = monitor.text(NET_LIQUIDATION)
    monitor.script(
        """
        const frame = { schema: 1, type: "portfolio.changed", version: "z", as_of: null,
          previous_version: "never held", data: { totals: { net_liquidation: 1 } } };
        seen.frames.length = 0;
        seen.sockets[0].dispatchEvent(new MessageEvent("message", { data: JSON.stringify(frame) }));
        """
    )

    monitor.wait(lambda: monitor.script(snapshot), "no snapshot came")
    assert monitor.script("return seen.sent") == ['{"type":"resync"}']
    assert monitor.text(NET_LIQUIDATION) == shown


def test_live_point_of_a_frozen_market_clock_stands_at_the_markets_time(monitor: Browser) -> None:
    """With a recorded chain the history is the chain's day, whenever the desk synced."""
    monitor.wait_for('[data-chart="net_liquidation"] [role=slider]')
    monitor.script(
        """
        const frame = seen.frames.find((f) => f.type === "portfolio.snapshot");
        frame.data.clock = { now: new Date().toISOString(), frozen: true };
        frame.data.as_of = "2031-05-06T12:00:00Z";
        frame.data.totals.net_liquidation = 4321.99;
        seen.sockets[0].dispatchEvent(new MessageEvent("message", { data: JSON.stringify(frame) }));
        """
    )

    readout = '[data-chart="net_liquidation"] .chart-readout'
    monitor.wait(lambda: "4,321.99" in monitor.text(readout), "no live point")
    assert "May 31" not in monitor.text(readout)


def test_server_that_goes_away_shows_offline_and_recovers_by_itself(
    monitor: Browser, desk: Desk
) -> None:
    state = '[data-part="connection"]'
    desk.stop_web()
    try:
        monitor.wait_for(f'{state}[data-state="offline"]')
        assert monitor.text(state) == "Offline"
        assert monitor.find_all("[data-position]")
    finally:
        desk.start_web()
    # As a laptop says when its network is back; the page's own retry comes later.
    monitor.script("window.dispatchEvent(new Event('online'))")

    monitor.wait_for(LIVE)
    before = monitor.text(NET_LIQUIDATION)
    desk.sandbox.market.step(MINUTES)
    assert sync_now(monitor) == "Sync finished: 2 accounts"
    monitor.wait(lambda: monitor.text(NET_LIQUIDATION) != before, "the number stands still")


def test_cut_socket_comes_back_by_itself(monitor: Browser) -> None:
    # The page keeps its states: one that lasts a moment may be over when it is looked for.
    monitor.script(
        """
        window.states = [];
        const connection = document.querySelector('[data-part="connection"]');
        new MutationObserver(() => states.push(connection.dataset.state))
          .observe(connection, { attributes: true });
        const [book] = seen.sockets.filter((one) => one.url.includes("/ws/portfolio"));
        book.close();
        """
    )
    monitor.wait(lambda: monitor.script("return states.at(-1)") == "live", "no new socket")
    assert monitor.script("return states[0]") == "connecting"
    assert sockets_of_the_book(monitor) == 2


def test_blocked_websockets_leave_conditional_requests(monitor: Browser, desk: Desk) -> None:
    monitor.on_each_page(QUICK_TIMERS)
    monitor.on_each_page(
        "window.WebSocket = class extends WebSocket {"
        "constructor(address) { super(address.replace('/ws/', '/blocked/')); } };"
    )
    monitor.open("/")
    monitor.wait_for('[data-part="connection"][data-state="polling"]')

    def polls() -> list[int]:
        fetched = monitor.script("return seen.fetched")
        return [status for path, status in fetched if path.endswith("/risk-monitor/fast")]

    monitor.wait(lambda: 304 in polls(), "an unchanged book was not answered 304")
    before = monitor.text(NET_LIQUIDATION)
    desk.sandbox.market.step(MINUTES)
    assert sync_now(monitor) == "Sync finished: 2 accounts"
    monitor.wait(lambda: monitor.text(NET_LIQUIDATION) != before, "the number stands still")


def test_empty_cache_shows_progress_and_then_the_book(browser: Browser, desk: Desk) -> None:
    browser.log_in()
    desk.forget_the_book()
    desk.sandbox.faults.add(path="positions", times=None, delay=2.0)
    browser.open("/")

    empty = browser.find('[data-part="empty"]')
    assert empty.is_displayed()
    assert "Fetching your book" in empty.text
    progress = '[data-part="empty"] progress'
    browser.wait(lambda: browser.find(progress).get_property("value"), "the bar stands still")
    browser.wait_for("tbody [data-position]")
    browser.wait(lambda: not empty.is_displayed(), "the progress stays")
    browser.wait(lambda: browser.text(NET_LIQUIDATION).strip()[:1].isdigit(), "no total")


def test_names_from_outside_are_text(monitor: Browser, desk: Desk) -> None:
    evil = "<img src=x onerror=hacked=1>"
    desk.sandbox.faults.add(
        server="tastytrade",
        path="positions",
        times=None,
        replace={"/data/items/0/symbol": evil, "/data/items/0/underlying-symbol": evil},
    )
    label = '[data-account="DU1000001"] [data-field="label"]'
    rename_account(monitor, "DU1000001", evil)
    try:
        assert sync_now(monitor).startswith("Sync finished")
        # Written by script, then by the server.
        for written in (lambda: None, lambda: monitor.open("/")):
            written()
            monitor.wait(lambda: monitor.text(label) == evil, "the label is not shown")
            contracts = monitor.texts('[data-field="contract"], [data-field="underlying"]')
            assert contracts.count(evil) >= 2
            assert not monitor.find_all("img")
            assert monitor.script("return window.hacked") is None
    finally:
        rename_account(monitor, "DU1000001", "IBKR margin")
        desk.sandbox.faults.clear()
        sync_now(monitor)


def rename_account(browser: Browser, account_id: str, label: str) -> None:
    """By the administration, in another tab."""
    before = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    browser.open(f"/admin/portfolio/account/{account_id}/change/")
    field = browser.find("[name=label]")
    field.clear()
    field.send_keys(label)
    browser.press("[name=_save]")
    browser.wait_for(".messagelist .success")
    browser.driver.close()
    browser.driver.switch_to.window(before)
