"""The risk page in a real browser: heat map, benchmark, what-if, scenarios, live, no script."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.e2e.browser import REFUSALS, WITNESS, Browser
from tests.e2e.desk import Desk
from tests.e2e.looks import DESK, PHONE, SIZES, assert_looks_right

# The first test of a process also starts the desk.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

FOCUSED = "return document.activeElement.dataset.cell ?? null"
STATUS = '[data-part="status"]'


@pytest.fixture
def risk(browser: Browser, desk: Desk) -> Iterator[Browser]:
    """The open risk page of a whole book, live; afterwards nothing was complained of."""
    browser.on_each_page(WITNESS)
    browser.on_each_page(REFUSALS)
    browser.log_in()
    held = desk.legs_in_scenarios

    def whole() -> bool:
        # A desk that has just started may have synced one account of two.
        open_risk(browser)
        return len(browser.texts('[data-part="shares"] td:nth-child(3)')) == held

    browser.wait(whole, "the book is not whole")
    yield browser
    assert browser.console() == []
    assert browser.script("return window.refusals ?? []") == []


def open_risk(browser: Browser, query: str = "") -> None:
    def opened() -> bool:
        browser.open(f"/risk{query}")
        return bool(browser.find_all("[data-cell]"))

    browser.wait(opened, "no scenarios")
    browser.wait_for('[data-part="connection"][data-state="live"]')


def focus_cell(browser: Browser, reference: str) -> None:
    browser.script("document.querySelector(`[data-cell='${arguments[0]}']`).focus()", reference)


def number(text: str) -> float:
    """Return the number of a written one: 1,234.5 or −12.3k."""
    plain = text.strip().replace("\u2212", "-").replace(",", "").replace("+", "")
    scale = {"k": 1e3, "M": 1e6}.get(plain[-1:], 1.0)
    return float(plain.rstrip("kM%")) * scale


def test_heat_map_is_one_stop_and_arrows_walk_it(risk: Browser) -> None:
    stops = risk.script("return document.querySelectorAll('[data-cell][tabindex=\"0\"]').length")
    assert stops == 1
    assert risk.find("[data-heat-map]").get_attribute("role") == "grid"

    focus_cell(risk, "0,0,0")
    walked = []
    for key in ("ARROW_UP", "ARROW_RIGHT", "ARROW_DOWN", "ARROW_DOWN", "ARROW_LEFT", "HOME", "END"):
        risk.type_into_focus(key)
        walked.append(risk.script(FOCUSED))
    assert walked == ["5,0,0", "5,5,0", "0,5,0", "-5,5,0", "-5,0,0", "-5,-10,0", "-5,10,0"]
    risk.type_into_focus("PAGE_DOWN")
    assert risk.script(FOCUSED) == "-20,10,0"
    risk.type_into_focus("ARROW_DOWN", "ARROW_RIGHT")
    assert risk.script(FOCUSED) == "-20,10,0"
    risk.type_into_focus("PAGE_UP")
    assert risk.script(FOCUSED) == "20,10,0"
    assert risk.find('[data-cell="20,10,0"]').get_attribute("tabindex") == "0"


@pytest.mark.parametrize("key", ["ENTER", "SPACE"])
def test_chosen_cell_shows_the_shares_of_its_legs(risk: Browser, desk: Desk, key: str) -> None:
    focus_cell(risk, "-10,5,0")
    shown = risk.find('[data-cell="-10,5,0"]').text.split()[0]
    risk.type_into_focus(key)
    risk.wait_for('td[data-chosen] [data-cell="-10,5,0"]')

    assert risk.text("#cell-title") == "Chosen scenario"
    whole = number(risk.text(".cell-figure .change"))
    assert whole == pytest.approx(number(shown), rel=0.01)
    legs = [number(text) for text in risk.texts('[data-part="shares"] td:nth-child(3)')]
    held = desk.legs_in_scenarios
    assert len(legs) == held
    # Each is written in three figures.
    assert sum(legs) == pytest.approx(whole, rel=0.01, abs=0.006 * sum(map(abs, legs)))
    assert "cell=-10" in risk.driver.current_url
    # The focus stays where it was, for the next arrow.
    assert risk.script(FOCUSED) == "-10,5,0"
    assert risk.find("td[data-chosen]").get_attribute("aria-selected") == "true"
    # The address alone brings the same.
    risk.driver.refresh()
    assert risk.text("#cell-title") == "Chosen scenario"


def test_every_cell_says_its_number_and_its_sign(risk: Browser) -> None:
    cells = risk.script(
        """
        return [...document.querySelectorAll("[data-heat-map] td")].map((cell) =>
          [cell.dataset.sign, cell.querySelector("a").textContent]);
        """
    )
    assert len(cells) == 45
    signs = {"up": "+", "down": "\u2212"}
    for sign, text in cells:
        assert re.match(r"[+\u2212]?\d", text), text
        assert text.startswith(signs.get(sign, "0")), text


def test_days_are_chosen_and_the_worst_cell_is_marked_on_its_day(risk: Browser) -> None:
    worst = risk.find_all(".heat-note a")[0]
    risk.script("arguments[0].click()", worst)
    risk.wait_for('td[data-mark="worst"] a[aria-current="true"]')
    assert "worst" in risk.text('td[data-mark="worst"]')
    marked = number(
        risk.script("return document.querySelector('[data-mark=worst] a').firstChild.textContent")
    )
    cells = [
        number(text)
        for text in risk.script(
            """
        return [...document.querySelectorAll("[data-heat-map] td a")].map(
          (link) => link.firstChild.textContent);
        """
        )
    ]
    assert marked == min(cells)


def test_axes_typed_are_computed_and_stand_in_the_address(risk: Browser) -> None:
    field = risk.find("#axis-spot")
    field.clear()
    field.send_keys("-30:30:15")
    risk.find(".scenario-axes button").click()
    risk.wait_for('[data-cell="-30,0,0"]')
    assert len(risk.find_all("[data-heat-map] tbody tr")) == 5
    assert "spot=-30%3A30%3A15" in risk.driver.current_url

    # Emptying it first would be a choice of its own: the default.
    risk.script("arguments[0].value = 'wide'", field)
    risk.find(".scenario-axes button").click()
    risk.wait_for("#risk-axes-problem .notice-error")
    assert "Spot: Expected numbers" in risk.text("#risk-axes-problem")
    assert field.get_attribute("value") == "wide"
    assert field.get_attribute("aria-invalid") == "true"
    # The last map stays, and so does its address.
    assert len(risk.find_all("[data-heat-map] tbody tr")) == 5
    assert "spot=-30%3A30%3A15" in risk.driver.current_url

    risk.script("arguments[0].value = '-10,10'", field)
    risk.find(".scenario-axes button").click()
    risk.wait_for('[data-cell="-10,0,0"]')
    assert not risk.find_all("#risk-axes-problem .notice-error")
    assert field.get_attribute("aria-invalid") is None
    assert len(risk.find_all("[data-heat-map] tbody tr")) == 2


def test_another_benchmark_weights_the_book_anew(risk: Browser) -> None:
    before = risk.text("#risk-strip .metric-hero dd")
    risk.script(
        """
        const select = document.querySelector("#benchmark");
        select.value = "QQQ";
        select.dispatchEvent(new Event("change", { bubbles: true }));
        """
    )
    risk.wait(lambda: "shares of QQQ" in risk.text("#risk-strip"), "not weighted anew")
    assert risk.text("#risk-strip .metric-hero dd") != before
    assert "to QQQ" in risk.text('[data-breakdown="underlying"] thead')
    assert "benchmark=QQQ" in risk.driver.current_url
    assert "QQQ" in risk.text(STATUS)


def compared(browser: Browser, name: str) -> list[float]:
    texts = browser.texts(f'[data-number="{name}"] > td')
    return [number(text) for text in texts]


def test_what_if_compares_at_once_and_keeps_what_is_typed(risk: Browser) -> None:
    risk.find("[name=add-0-underlying]").send_keys("SPY")
    kind = risk.find("[name=add-0-instrument_type]")
    kind.find_element("css selector", "[value=stock]").click()
    risk.find("[name=add-0-quantity]").send_keys("100")
    risk.find("#what-if-form [type=submit]").click()
    risk.wait_for("#what-if-answer .compare-table")

    before, after, difference = compared(risk, "Beta-weighted delta")
    assert difference == pytest.approx(100, abs=0.2)
    assert after - before == pytest.approx(100, abs=0.2)
    assert compared(risk, "Vega")[2] == 0
    assert risk.find("[name=add-0-quantity]").get_attribute("value") == "100"
    assert risk.driver.current_url.endswith("/risk")


def test_leg_of_the_book_is_closed_and_a_wrong_one_is_marked(risk: Browser) -> None:
    risk.find(".held-legs summary").click()
    row = risk.find(".held-table tbody tr")
    row.find_element("css selector", "[type=checkbox]").click()
    risk.find("#what-if-form [type=submit]").click()
    risk.wait_for("#what-if-answer .compare-table")
    assert len(risk.find_all("#what-if-answer .risk-table tbody tr")) == 1

    risk.find("[name=add-0-underlying]").send_keys("SPY")
    risk.find("#what-if-form [type=submit]").click()
    risk.wait_for('[name="add-0-strike"][aria-invalid="true"]')
    assert not risk.find_all("#what-if-answer .compare-table")
    assert risk.find("[name=add-0-underlying]").get_attribute("value") == "SPY"


def test_another_leg_is_one_more_row_with_names_of_its_own(risk: Browser) -> None:
    def rows() -> list[str | None]:
        fields = risk.find_all('[data-rows="add"] [name$="-underlying"]')
        return [field.get_attribute("name") for field in fields if field.is_displayed()]

    assert rows() == ["add-0-underlying"]
    for shown in (2, 3, 4):
        risk.find('[data-rows="add"] [data-part="more"]').click()
        assert rows() == [f"add-{index}-underlying" for index in range(shown)]
    assert risk.find("[name=add-TOTAL_FORMS]").get_attribute("value") == "4"


def test_scenario_is_kept_run_changed_and_deleted(risk: Browser) -> None:
    risk.find("#scenario-form [name=name]").send_keys("Crash")
    risk.find("[name=shift-0-spot]").send_keys("-20")
    risk.find("[name=shift-0-vol]").send_keys("15")
    risk.find("#scenario-form [type=submit]").click()
    risk.wait_for("#risk-ran .cell-figure")
    assert "is saved" in risk.text(STATUS)
    assert number(risk.text("#risk-ran .change")) != 0
    # The form is empty again for the next one.
    assert risk.find("#scenario-form [name=name]").get_attribute("value") == ""
    # It stays over another page and a refresh.
    risk.open("/accounts/time-zone")
    open_risk(risk)
    risk.driver.refresh()
    assert "Crash" in risk.text("#risk-ran h3")

    risk.find('[aria-label="Edit Crash"]').click()
    risk.wait(lambda: "Change" in risk.text("#scenario-form-title"), "no form to change it")
    name = risk.find("#scenario-form [name=name]")
    assert name.get_attribute("value") == "Crash"
    name.clear()
    name.send_keys("Gap")
    risk.find("#scenario-form [type=submit]").click()
    risk.wait_for('[aria-label="Run Gap"]')

    risk.find('[aria-label="Delete Gap"]').click()
    risk.wait_until_gone('[aria-label="Run Gap"]')
    assert "None yet" in risk.text("#risk-saved")


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_changed_book_brings_new_numbers_and_leaves_what_is_typed(
    risk: Browser, desk: Desk, size: tuple[int, int]
) -> None:
    risk.resize(*size)
    open_risk(risk)
    risk.find("#axis-vol").send_keys(", 20")
    risk.find("[name=add-0-underlying]").send_keys("NVD")
    risk.wait_for("[data-cell='5,20,0']")  # Another axis is another table, and may come late.
    risk.script("document.querySelector('[name=breakdown][value=expiry]').click()")
    focus_cell(risk, "5,5,0")
    cells = "[data-heat-map] td a"
    before = risk.texts(cells)
    risk.script("window.shift = 0")
    desk.sandbox.market.step(2400)
    risk.script(
        """
        fetch("/api/portfolio/sync", { method: "POST", body: "{}", headers: {
          "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID(),
          "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value } });
        """
    )
    risk.wait(lambda: risk.texts(cells) != before, "the scenarios stand still")

    assert str(risk.find("#axis-vol").get_attribute("value")).endswith(", 20")
    assert risk.find("[name=add-0-underlying]").get_attribute("value") == "NVD"
    assert risk.find('[data-breakdown="expiry"]').is_displayed()
    assert risk.script(FOCUSED) == "5,5,0"
    assert risk.script("return window.shift") < 0.02


def test_unchanged_book_is_not_sent_again(risk: Browser) -> None:
    for _ in range(2):
        day = risk.find('.scenario-days [data-key="day-7"]')
        risk.script("window.seen.fetched.length = 0; arguments[0].click()", day)
        fetched = risk.wait(
            lambda: [one for one in risk.script("return window.seen.fetched") if one[0] == "/risk"],
            "nothing was asked",
        )
    # The minute may have turned between the two.
    assert fetched[-1][1] in (200, 304)
    assert risk.find('[data-key="day-7"]').get_attribute("aria-current") == "true"


def test_page_works_without_script(risk: Browser) -> None:
    risk.command("Emulation.setScriptExecutionDisabled", value=True)
    risk.open("/risk")
    risk.press('[data-cell="-10,5,0"]')
    assert risk.find("#cell-title").text == "Chosen scenario"
    risk.press('.scenario-days [data-key="day-30"]')
    assert "In 30 days" in risk.find("#heat-caption").text

    risk.find("[name=breakdown][value=account]").find_element("xpath", "..").click()
    assert risk.find('[data-breakdown="account"]').is_displayed()
    assert not risk.find('[data-breakdown="underlying"]').is_displayed()

    risk.find(".held-legs summary").click()
    risk.find(".held-table [type=checkbox]").click()
    risk.press("#what-if-form [type=submit]")
    assert risk.find_all("#what-if-answer .compare-table")

    risk.find("#scenario-form [name=name]").send_keys("Plain")
    risk.find("[name=shift-0-spot]").send_keys("-5")
    risk.press("#scenario-form [type=submit]")
    assert risk.find("#risk-ran .cell-figure").is_displayed()
    risk.press('[aria-label="Delete Plain"]')
    assert not risk.find_all('[aria-label="Run Plain"]')


def test_page_fits_every_width_and_satisfies_axe_with_everything_open(risk: Browser) -> None:
    open_risk(risk, "?cell=-10,5,0")
    risk.find("[name=add-0-underlying]").send_keys("SPY")
    risk.find("#what-if-form [type=submit]").click()
    risk.wait_for('[name="add-0-strike"][aria-invalid="true"]')
    risk.script("for (const one of document.querySelectorAll('main details')) one.open = true")
    assert_looks_right(risk, "everything open", sizes=SIZES, whole="#risk-cell .bounded")


def test_figures_of_the_heat_map_stand_out_from_their_colours(risk: Browser) -> None:
    """4.5:1 for the figure and the share below it, on every wash, in both themes."""
    for scheme in ("dark", "light"):
        risk.prefer(scheme=scheme)
        worst = risk.script(CONTRAST)
        assert worst >= 4.5, (scheme, worst)


def test_csv_holds_the_table(risk: Browser) -> None:
    status, kind, lines = risk.driver.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        const link = document.querySelector(".scenarios .panel-head a");
        fetch(link.href).then(async (answer) => done([answer.status,
          answer.headers.get("Content-Type"), (await answer.text()).trim().split("\\n").length]));
        """
    )
    assert status == 200
    assert kind.startswith("text/csv")
    assert lines > 45


# Paints each colour on the one below it, as the screen does, and compares luminances.
CONTRAST = """
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const solid = getComputedStyle(document.documentElement);
  const paint = (...colours) => {
    for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => rgb.map((value) => value / 255)
    .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const canvasColour = getComputedStyle(document.documentElement).backgroundColor;
  let worst = 21;
  for (const cell of document.querySelectorAll("[data-heat-map] td")) {
    const panel = getComputedStyle(cell.closest(".panel")).backgroundColor;
    const wash = getComputedStyle(cell).backgroundColor;
    for (const text of [cell.querySelector("a"), cell.querySelector("small")]) {
      const ink = getComputedStyle(text).color;
      worst = Math.min(worst, ratio(paint(canvasColour, panel, wash),
        paint(canvasColour, panel, wash, ink)));
    }
  }
  return worst;
"""
