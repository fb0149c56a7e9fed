"""The journal in a real browser: fills that appear live, notes that survive a rebuild."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from tests.e2e.browser import REFUSALS, WITNESS, Browser
from tests.e2e.desk import Desk
from tests.e2e.looks import assert_looks_right
from trades.importing.tastytrade_csv import COLUMNS

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

    # On a phone a trade takes two lines, whose parts are all in sight.
    browser.resize(390, 844)
    heights = browser.script(
        "return [...document.querySelectorAll('[data-trade]')].map((row) => row.offsetHeight)"
    )
    assert heights
    assert max(heights) <= 100
    assert browser.width_beyond_window() <= 0
    browser.resize(1440, 900)

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
    assert_looks_right(browser, "trade")
    desk.manage("rebuild_trades")
    browser.open(address)
    assert "Too early." in browser.texts("textarea")
    assert browser.text('[data-part="net"]') == net
    assert browser.console() == []
    assert browser.script("return window.refusals ?? []") == []


def test_file_is_previewed_then_recorded(browser: Browser, desk: Desk, tmp_path: Path) -> None:
    """A round trip of two fills; again, it adds nothing."""
    lines = [
        ",".join(COLUMNS),
        *(
            f"2021-03-0{day}T10:00:00-0500,Trade,{side} to {effect},{side.upper()}_TO_"
            f"{effect.upper()},IMPD,Equity,Bought 10 IMPD @ {price}.00,{value}.00,10,{price}.00,"
            f"--,-0.50,1,,IMPD,,,,{day},USD"
            for day, side, effect, price, value in (
                (1, "Buy", "Open", 20, -200), (2, "Sell", "Close", 25, 250),
            )
        ),
    ]  # fmt: skip
    (tmp_path / "export.csv").write_text("\n".join(lines))
    browser.log_in()
    for known in (0, 2):
        browser.open("/trades/import")
        browser.find("#file").send_keys(str(tmp_path / "export.csv"))
        browser.script("document.getElementById('import-account').selectedIndex = 1")
        browser.script("document.getElementById('file').form.requestSubmit()")
        browser.wait_for("#preview-title")
        facts = browser.texts(".facts dd")
        assert [text.strip() for text in facts[:3]] == ["2", str(2 - known), str(known)]
        assert len(browser.find_all('[data-part="realised"]')) == (not known)
        browser.script(
            "document.querySelector('form[action*=\"/trades/import/\"]').requestSubmit()"
        )
        browser.wait_for(".journal-runs li")
    browser.open("/trades?underlying=IMPD")
    browser.resize(390, 800)
    # Folded on a phone, it says what is asked for.
    assert browser.text(".page-filter summary") == "Filter IMPD"
    assert browser.console() == []
