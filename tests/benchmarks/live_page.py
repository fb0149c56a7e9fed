"""The part of *price to pixel* that needs a loaded Django.

A whole desk with its streams process. All prices move each second, so the queue waits as long as it
may; each round begins as the last one's price is shown, right after a look that it cannot join.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from greeks.domain import Contract, InstrumentKind
from portfolio.streams.dxlink import WRITE_SECONDS
from portfolio.streams.updates import TICK_SECONDS
from portfolio.updates.rules import UpdateRules
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.rounds import Row
from tests.e2e.browser import Browser
from tests.e2e.desk import TARGETS, Desk

_LONGEST_SECONDS = 120.0
_STEP_SECONDS = 3600.0
# Notes when each text of the cell was written, in the page's own time.
_WATCH = """
  const rows = [...document.querySelectorAll("[data-position]")];
  const row = rows.find((each) => each.querySelector("th a").textContent.trim() === arguments[0]);
  const cell = row?.querySelector('[data-field="price"]');
  if (!cell) return false;
  window.shown = [];
  new MutationObserver(() => shown.push([Date.now(), cell.textContent.trim()])).observe(
    cell, { childList: true, characterData: true, subtree: true });
  return true;
"""


class _LiveDesk(Desk):
    """A desk whose prices are streamed."""

    # Nothing of another desk is there to begin with.
    prepare_seconds = 600.0

    def start(self) -> None:
        super().start()
        self._start("streams", f"{TARGETS}:run_command", {"arguments": ["run_streams"]})

    def _begin_database(self) -> None:
        """Migrated as a new desk's is."""

    def price(self, contract: Contract) -> float:
        """Return what the market says now."""
        mark = self.sandbox.market.quote(contract).mark
        if mark is None:
            raise NotMeasured(f"{contract.symbol} has no price.")
        return mark


def measure_here(options: Options) -> list[Row]:
    rules = UpdateRules()
    allowed = WRITE_SECONDS + rules.maximum_wait_seconds + TICK_SECONDS
    with _running() as (desk, browser):
        share = next(
            position.contract
            for account in desk.sandbox.books.accounts()
            for position in account.positions()
            if position.contract.kind is InstrumentKind.STOCK
            and position.contract.currency == "USD"
        )
        _open(browser, share)
        # The stream may have subscribed to little yet.
        _round(desk, browser, share)
        waits = [_round(desk, browser, share) for _ in range(options.rounds)]
    median = statistics.median(waits)
    return [
        Row(
            name="price to pixel: from the streamer to the cell, of what the rules allow",
            measured=median / allowed,
            bar=1.0,
            unit="",
            note=f"{median:.2f} s of {allowed:.1f} s, {min(waits):.2f} to {max(waits):.2f}; "
            f"{median / rules.debounce_seconds:.2f} of the debounce, "
            f"{median / rules.maximum_wait_seconds:.2f} of the maximum wait",
        )
    ]


def _open(browser: Browser, share: Contract) -> None:
    """Open the risk monitor, and watch the share's price once the book is there."""
    browser.log_in()
    browser.open("/")
    browser.wait_for('[data-part="connection"][data-state="live"]')
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not browser.script(_WATCH, share.symbol):
        if time.monotonic() > deadline:
            raise NotMeasured(f"{share.symbol} is not on the page.")
        time.sleep(0.5)


def _round(desk: _LiveDesk, browser: Browser, share: Contract) -> float:
    """Move the market and return the seconds until the share's cell is nearer to its new price."""
    before = desk.price(share)
    browser.script("shown.length = 0")
    begun = time.time()
    desk.sandbox.market.step(_STEP_SECONDS)
    after = desk.price(share)
    while time.time() - begun < _LONGEST_SECONDS:
        time.sleep(0.05)
        for at, text in browser.script("return shown"):
            price = float(text.replace(",", ""))
            if abs(price - after) < abs(price - before):
                return float(at) / 1000 - begun
    raise NotMeasured(f"The cell still does not say {after} after {_LONGEST_SECONDS:g} s.")


@contextmanager
def _running() -> Iterator[tuple[_LiveDesk, Browser]]:
    with tempfile.TemporaryDirectory(prefix="gd-pixel-") as folder:
        home = Path(folder) / "desk"
        home.mkdir()
        desk = _LiveDesk(home, static=Path(folder) / "static")
        try:
            desk.start()
            browser = Browser(desk.url)
            try:
                yield desk, browser
            finally:
                browser.quit()
        finally:
            desk.stop()
