"""Fixtures of the browser tests: one desk and one browser of each kind for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.browser import REFUSALS, WITNESS, Browser
from tests.e2e.desk import Desk, running
from tests.e2e.market_desk import MarketDesk
from tests.e2e.market_page import open_market


@pytest.fixture(scope="package")
def _desk(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with running(Desk, tmp_path_factory) as desk:
        yield desk


@pytest.fixture(scope="package")
def _browser(_desk: Desk) -> Iterator[Browser]:
    browser = Browser(_desk.url)
    yield browser
    browser.quit()


@pytest.fixture
def desk(_desk: Desk) -> Iterator[Desk]:
    """The running desk, its providers without faults."""
    _desk.check()
    _desk.sandbox.faults.clear()
    _desk.forgive()
    yield _desk
    _desk.sandbox.faults.clear()
    _desk.check()


@pytest.fixture
def browser(_browser: Browser, desk: Desk) -> Iterator[Browser]:
    """A clean window without a log-in."""
    _browser.begin()
    yield _browser
    _browser.leave()


@pytest.fixture
def monitor(browser: Browser, desk: Desk) -> Browser:
    """The open risk monitor of a whole book, live, with a witness of its sockets and fetches."""
    browser.on_each_page(WITNESS)
    browser.log_in()
    browser.open("/")
    browser.wait_for('[data-part="connection"][data-state="live"]')
    browser.wait(
        lambda: browser.text('[data-total="net_liquidation"]').strip()[:1].isdigit(), "no book"
    )
    # A desk that has just started may have synced one account of two.
    held = len(desk.held)
    browser.wait(lambda: len(browser.find_all("[data-position]")) == held, "half a book")
    return browser


@pytest.fixture(scope="package")
def _market_desk(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MarketDesk]:
    with running(MarketDesk, tmp_path_factory) as desk:
        yield desk


@pytest.fixture(scope="package")
def _market_browser(_market_desk: MarketDesk) -> Iterator[Browser]:
    browser = Browser(_market_desk.url)
    yield browser
    browser.quit()


@pytest.fixture
def market_desk(_market_desk: MarketDesk) -> MarketDesk:
    _market_desk.check()
    return _market_desk


@pytest.fixture
def market_visitor(_market_browser: Browser, market_desk: MarketDesk) -> Iterator[Browser]:
    """A clean window with a witness; afterwards the console must be free of complaints."""
    browser = _market_browser
    browser.begin()
    browser.on_each_page(WITNESS)
    browser.on_each_page(REFUSALS)
    yield browser
    try:
        assert browser.console() == []
        assert browser.script("return window.refusals ?? []") == []
    finally:
        browser.leave()


@pytest.fixture
def market(market_visitor: Browser) -> Browser:
    """A visitor's live page."""
    open_market(market_visitor)
    return market_visitor
