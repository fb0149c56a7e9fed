"""The market page in a real browser: live figures, choices, phones, no script."""

from __future__ import annotations

import re
from typing import Any

import pytest

from config.core.web import formatting
from tests.e2e.browser import Browser
from tests.e2e.looks import SIZES, assert_looks_right
from tests.e2e.market_desk import MarketDesk
from tests.e2e.market_page import (
    ASKED,
    AT,
    LIVE,
    PLOT,
    SUM,
    VEGA,
    choose,
    focus,
    open_market,
    points,
    show,
)
from tests.e2e.market_rows import BANK_NIFTY, NIFTY, TODAY, YESTERDAY
from tests.e2e.test_live_book import QUICK_TIMERS

# The first test of a process also starts the desk.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


# --- Live ----------------------------------------------------------------------------------------
def wait_for_sum(market: Browser, said: dict[str, Any]) -> None:
    """Until what a sample says is drawn: another frame may have moved the number before it."""
    vega = formatting.number(said["sums"]["vega"]["total"], 2)
    market.wait(lambda: market.text(SUM) == vega, "the sample is not drawn")


def test_sample_moves_the_forming_minute_without_a_request(
    market: Browser, market_desk: MarketDesk
) -> None:
    asked = len(market.script(ASKED))
    # The slim body is enough for the page.
    assert all("columns=closes" in each for each in market.script(ASKED))
    count = points(market)
    said = market_desk.say_sample(volatility=0.14)
    wait_for_sum(market, said)

    assert market.text('[data-part="strip"] [data-field="spot"]') == "26,200.00"
    assert market.text('[data-part="sums"] [data-greek="delta"] [data-side="put"]') == (
        formatting.number(said["sums"]["delta"]["put"], 3)
    )
    assert market.text(f"{VEGA} {AT}").endswith("forming")
    assert points(market) == count
    assert len(market.script(ASKED)) == asked


def test_closed_minute_is_appended_and_the_next_one_forms(
    market: Browser, market_desk: MarketDesk
) -> None:
    said = market_desk.say_sample(spot=26_150.0)
    wait_for_sum(market, said)
    count, asked = points(market), len(market.script(ASKED))
    minute = market_desk.close_minute()
    closed = f"{VEGA} [data-part='velocity-at']"
    market.wait(lambda: market.text(closed) == f"{minute:%H:%M}", "the minute is not closed")
    assert market.text(f"{VEGA} {AT}").startswith(f"{minute:%H:%M}")
    assert "forming" not in market.text(f"{VEGA} {AT}")
    assert market.text(SUM) == formatting.number(said["sums"]["vega"]["total"], 2)
    assert points(market) == count
    assert market.text(f"{VEGA} [data-part=word]") in {"accelerating", "slowing", "turning"}

    market_desk.say_sample(spot=26_155.0)
    market.wait(lambda: points(market) == count + 1, "no minute forms")
    assert market.text(f"{VEGA} {AT}") == f"{market_desk.slot:%H:%M} forming"
    assert len(market.script(ASKED)) == asked


def test_nothing_moves_while_live(market: Browser, market_desk: MarketDesk) -> None:
    for spot in (26_050.0, 26_310.0, 25_980.0):
        before = market.text(SUM)
        market_desk.say_sample(spot=spot)
        market.wait(lambda before=before: market.text(SUM) != before, "vega stands still")  # type: ignore[misc]
    assert market.script("return window.shift") < 0.02


def test_page_polls_where_websockets_do_not_get_through(market: Browser) -> None:
    market.on_each_page(QUICK_TIMERS)
    market.on_each_page(
        "window.WebSocket = class extends WebSocket {"
        "constructor(address) { super(address.replace('/ws/', '/blocked/')); } };"
    )
    market.open("/market")
    market.wait_for('[data-part="connection"][data-state="polling"]')
    assert re.fullmatch(r"[\d,]+\.\d\d", market.text(SUM))
    assert all("WebSocket" in line for line in market.console())


# --- What is chosen -----------------------------------------------------------------------------
def test_instrument_is_changed_in_place_and_back_brings_the_first(market: Browser) -> None:
    market.script("window.same = true")
    choose(market, "instrument", BANK_NIFTY.slug)
    name = '[data-part="strip"] [data-field="name"]'
    market.wait(lambda: market.text(name) == "Nifty Bank", "another instrument is shown")
    assert "instrument=banknifty" in market.driver.current_url
    market.wait(lambda: market.texts("[name=expiry] option") == ["29 Dec 26"], "other expiries")
    assert market.driver.title.startswith("Nifty Bank")
    market.wait(lambda: "58,0" in market.text('[data-part="chain-table"]'), "no chain of it")
    assert len(market.find_all("tr[data-atm]")) == 1

    market.driver.back()
    market.wait(lambda: market.text(name) == "Nifty 50", "back brings nothing")
    market.wait(lambda: len(market.texts("[name=expiry] option")) == 2, "its expiries are missing")
    assert market.script("return window.same")
    market.wait_for(LIVE)


def test_past_day_is_replayed_by_its_address(market: Browser) -> None:
    choose(market, "date", YESTERDAY.isoformat())
    market.wait_for('[data-part="connection"][data-state="replay"]')
    market.wait(lambda: points(market) == 375, "not the whole day")
    market.wait(lambda: market.text(f"{VEGA} {AT}") == "15:29", "not at its end")
    open_sockets = "return window.seen.sockets.filter((one) => one.readyState < 2).length"
    assert market.script(open_sockets) == 0
    shown = market.text(SUM)

    market.open(market.driver.current_url.removeprefix(market.url))
    market.wait_for(f"{PLOT}[role=slider]")
    market.wait(lambda: market.text(SUM) == shown, "another sum")
    assert market.find("[name=date]").get_attribute("value") == YESTERDAY.isoformat()


def test_past_day_is_shown_with_its_own_chain_and_the_times_it_was_kept_at(
    market: Browser,
) -> None:
    note, atm = '[data-part="chain-note"]', "tr[data-atm]"
    show(market, "[data-strikes=smile]")
    today = market.find(atm).get_attribute("data-strike")
    choose(market, "date", YESTERDAY.isoformat())
    market.wait(lambda: "kept from Upstox" in market.text(note), "the chain is not of that day")
    assert market.text(note).startswith("69 strikes, as of 15:29:57 IST")
    assert market.find(atm).get_attribute("data-strike") != today
    strip = '[data-part="strip"] [data-field="atm_strike"]'
    assert market.text(strip).replace(",", "") == market.find(atm).get_attribute("data-strike")
    assert len(market.texts("[name=at] option")) == 26

    choose(market, "at", "10:30")
    market.wait(lambda: "as of 10:30:57 IST" in market.text(note), "the last chain stays")
    assert "at=10:30" in market.driver.current_url
    market.driver.refresh()
    market.wait_for("[data-strikes=smile] [role=slider]")
    assert "as of 10:30:57 IST" in market.text(note)

    choose(market, "date", TODAY.isoformat())
    market.wait(lambda: "kept" not in market.text(note), "it still seems to be of another day")
    assert not market.find("[name=at]").is_displayed()


def test_drawing_that_does_not_exist_is_the_default_one(market: Browser) -> None:
    open_market(market, "?side=call&side=nonsense&measure=__proto__&span=-5&end=99:99")
    assert "both sides" in (market.find(PLOT).get_attribute("aria-valuetext") or "")
    assert market.find("[name=span][value=day]").is_selected()
    show(market, "[data-strikes=smile]")
    assert market.find_all('td.c-open_interest[data-level="10"]')
    assert market.console() == []


def test_resolution_and_second_expiry_draw_other_points(market: Browser) -> None:
    minutes = points(market)
    choose(market, "resolution", "15m")
    market.wait(lambda: points(market) < minutes / 10, "as many points as before")
    choose(market, "expiry", NIFTY.expiries[1].isoformat())
    chosen = "return document.querySelector('[name=expiry]').selectedOptions[0].text"
    market.wait(lambda: market.script(chosen) == "8 Dec 26", "the first expiry")
    market.wait(lambda: "expiry=2026-12-08" in market.script(ASKED)[-1], "nothing was asked")
    assert "resolution=15m" in market.driver.current_url
    assert market.text('[data-greek="vega"] [data-part="step"]').lower() == "15 minutes"


def test_since_open_is_one_figure_in_every_resolution_and_in_the_api(market: Browser) -> None:
    greeks = {"vega": 2, "delta": 3, "gamma": 5, "theta": 2}
    field = '[data-greek="{}"].greek-chart tr[data-side="{}"] [data-field="from_open"]'
    open_market(market, f"?date={YESTERDAY}", live=False)
    shown: dict[tuple[str, str], str] = {}
    for resolution in ("1m", "5m", "15m", "30m", "1h"):
        before = points(market)
        choose(market, "resolution", resolution)
        if resolution != "1m":
            market.wait(lambda before=before: points(market) < before, "the old points")  # type: ignore[misc]
        body = market.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "fetch(`/market/data?date=${arguments[0]}&resolution=${arguments[1]}`)"
            ".then((answer) => answer.json()).then(done);",
            YESTERDAY.isoformat(),
            resolution,
        )
        for greek, digits in greeks.items():
            for side in ("total", "call", "put"):
                value = body["series"][greek][side]["from_open"][-1]
                text = market.text(field.format(greek, side))
                assert text == formatting.signed(value, digits)
                assert shown.setdefault((greek, side), text) == text
    # A step is named by its minutes: its figures are those of its last one.
    assert market.text(f"{VEGA} {AT}") == "15:15–15:29"


def test_delta_range_asks_for_whole_buckets_and_stands_in_the_address(market: Browser) -> None:
    everything = market.text(SUM)
    focus(market, "#delta-from")
    market.type_into_focus("ARROW_RIGHT", "ARROW_RIGHT")
    focus(market, "#delta-to")
    market.type_into_focus("HOME")
    # Between two slow keys the page may ask for less first.
    chosen = "delta_min=0.1&delta_max=0.15"
    market.wait(lambda: market.script(ASKED)[-1].endswith(chosen), "the range was not asked for")
    market.wait(lambda: market.text(SUM) != everything, "the same sums")
    assert market.find(f"{VEGA} [data-part='crossed']").is_displayed()
    assert market.text('[data-part="delta-text"]') == "0.10–0.15"
    assert market.find("#delta-to").get_attribute("aria-valuetext") == "0.15"
    market.driver.refresh()
    market.wait_for(f"{PLOT}[role=slider]")
    assert market.find("#delta-from").get_attribute("value") == "0.1"


def test_sides_are_drawn_as_chosen(market: Browser) -> None:
    market.find("[name=side][value=split]").find_element("xpath", "..").click()
    assert "side=split" in market.driver.current_url

    def spoken() -> str:
        return market.find(PLOT).get_attribute("aria-valuetext") or ""

    market.wait(lambda: "calls" in spoken() and "puts" in spoken(), "one side only")
    market.find(f"{VEGA} summary").click()
    market.wait_for(f'{VEGA} [data-part="table"] tbody tr')
    headings = market.texts(f'{VEGA} [data-part="table"] thead th')
    assert headings[1] == "calls, since open"
    assert len(headings) == 7


def test_bars_of_the_chain_show_the_chosen_measure(market: Browser) -> None:
    show(market, "[data-strikes=smile]")
    market.find("[name=measure][value=vega]").find_element("xpath", "..").click()
    levels = market.script(
        """
        return [...document.querySelectorAll("td[data-level]")].map((cell) =>
          [cell.className, Number(cell.dataset.level), cell.textContent]);
        """
    )
    assert {name.split()[0] for name, _, _ in levels} == {"c-vega"}
    assert max(level for _, level, _ in levels) == 10
    assert all(re.search(r"\d", text) for _, _, text in levels)
    assert market.find_all('td[data-by="model"]')
    (atm,) = market.find_all("tr[data-atm]")
    assert abs(float(atm.get_attribute("data-strike") or 0) - 26_100) <= 200


def test_sums_shown_are_those_of_the_served_chain(market: Browser, market_desk: MarketDesk) -> None:
    sums = market.driver.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        fetch("/api/market/chain?slug=nifty").then((answer) => answer.json()).then((chain) => done(
          chain.strikes.flatMap((row) => [row.call, row.put]).map((one) => one.delta)));
        """
    )
    assert None not in sums
    assert len(sums) == 2 * (2 * NIFTY.reach + 1)
    assert len(market.find_all('[data-part="chain-table"] tbody tr')) == len(sums) / 2


# --- Everybody -----------------------------------------------------------------------------------
def test_page_without_script_holds_strip_sums_minutes_and_chain(market: Browser) -> None:
    market.command("Emulation.setScriptExecutionDisabled", value=True)
    market.open("/market?measure=delta")

    spot = market.find('[data-part="strip"] [data-field="spot"]').text
    assert re.fullmatch(r"[\d,]+\.\d\d", spot)
    assert len(market.find_all("noscript ~ * , [aria-label='Minutes of the day'] tbody tr")) >= 30
    assert all(cell.text for cell in market.find_all(".greek-readout td"))
    rows = market.find_all('[data-part="chain-table"] tbody tr')
    assert len(rows) == 2 * NIFTY.reach + 1
    assert not market.find('[data-part="controls"]').is_displayed()
    assert not market.find('[data-part="connection"]').is_displayed()

    market.find("[name=instrument] [value=banknifty]").click()
    market.press('[data-part="pickers"] button')
    assert market.find('[data-part="strip"] [data-field="name"]').text == "Nifty Bank"


def test_page_fits_every_width_and_satisfies_axe_with_everything_open(market: Browser) -> None:
    market.script("for (const one of document.querySelectorAll('main details')) one.open = true")
    assert_looks_right(market, "everything open", sizes=SIZES)
