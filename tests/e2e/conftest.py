"""Fixtures of the browser tests: one desk and one browser for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.browser import WITNESS, Browser
from tests.e2e.desk import Desk


@pytest.fixture(scope="session")
def _desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    shared = tmp_path_factory.getbasetemp()
    if shared.name.startswith("popen-"):  # a parallel worker: one level up is the whole run's
        shared = shared.parent
    desk = Desk(tmp_path_factory.mktemp("desk"), static=Path(shared) / "static")
    try:
        desk.start()
        yield desk
    finally:
        desk.stop()


@pytest.fixture(scope="session")
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
def browser(_browser: Browser, desk: Desk) -> Browser:
    """A clean window, nobody logged in."""
    _browser.begin()
    return _browser


@pytest.fixture
def monitor(browser: Browser) -> Browser:
    """The open risk monitor of a whole book, live, with a witness of its sockets and fetches."""
    browser.on_each_page(WITNESS)
    browser.log_in()
    browser.open("/")
    browser.wait_for('[data-part="connection"][data-state="live"]')
    browser.wait(
        lambda: browser.text('[data-total="net_liquidation"]').strip()[:1].isdigit(), "no book"
    )
    return browser
