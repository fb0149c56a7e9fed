"""The market's page as its tests use it: where things are, and what a hand does."""

from __future__ import annotations

from tests.e2e.browser import Browser

LIVE = '[data-part="connection"][data-state="live"]'
VEGA = '[data-greek="vega"].greek-chart'
DELTA = '[data-greek="delta"].greek-chart'
PLOT = f'{VEGA} [data-part="plot"]'
SUM = f'{VEGA} tr[data-side="total"] [data-field="close"]'
AT = '[data-part="at"]'
ASKED = """
  return performance.getEntriesByType("resource").map((entry) => new URL(entry.name))
    .filter((url) => url.pathname === "/market/data").map((url) => url.search);
"""


def open_market(browser: Browser, query: str = "", *, live: bool = True) -> None:
    browser.open(f"/market{query}")
    browser.draw(PLOT)
    if live:
        browser.wait_for(LIVE)
        browser.wait(lambda: browser.script("return window.seen.frames.length"), "no snapshot")


def points(browser: Browser) -> int:
    return int(browser.find(PLOT).get_attribute("aria-valuemax") or 0) + 1


def choose(browser: Browser, name: str, value: str) -> None:
    browser.script(
        """
        const select = document.querySelector(`[data-part="pickers"] [name="${arguments[0]}"]`);
        select.value = arguments[1];
        select.dispatchEvent(new Event("change", { bubbles: true }));
        """,
        name,
        value,
    )


def show(browser: Browser, selector: str) -> None:
    """Scroll to the parts that are drawn only when visible."""
    browser.script("document.querySelector(arguments[0]).scrollIntoView()", selector)
    browser.wait_for("[data-strikes=smile] canvas")
    browser.wait_for("[data-strikes=open_interest] [role=slider]")


def focus(browser: Browser, selector: str) -> None:
    browser.script("document.querySelector(arguments[0]).focus()", selector)


def drag(browser: Browser, selector: str, begin: float, end: float) -> None:
    """Drag with the mouse over a part of an element's width."""
    left, top, width = browser.script(
        "const e = document.querySelector(arguments[0]); e.scrollIntoView({ block: 'center' });"
        "const r = e.getBoundingClientRect(); return [r.left, r.top + r.height / 2, r.width]",
        selector,
    )
    steps = [("mouseMoved", begin), ("mousePressed", begin), ("mouseMoved", (begin + end) / 2)]
    for kind, at in [*steps, ("mouseMoved", end), ("mouseReleased", end)]:
        browser.command(
            "Input.dispatchMouseEvent",
            type=kind,
            x=left + width * at,
            y=top,
            button="none" if kind == "mouseMoved" and at == begin else "left",
            clickCount=1,
        )


def pinch(browser: Browser, selector: str) -> None:
    """Two fingers on an element that move apart."""
    left, top, width = browser.script(
        "const e = document.querySelector(arguments[0]); e.scrollIntoView({ block: 'center' });"
        "const r = e.getBoundingClientRect(); return [r.left, r.top + r.height / 2, r.width]",
        selector,
    )
    for kind, apart in (
        ("touchStart", 0.1),
        ("touchMove", 0.2),
        ("touchMove", 0.35),
        ("touchEnd", None),
    ):
        fingers = (
            [] if apart is None else [left + width * (0.5 - apart), left + width * (0.5 + apart)]
        )
        browser.command(
            "Input.dispatchTouchEvent",
            type=kind,
            touchPoints=[{"x": x, "y": top, "id": place} for place, x in enumerate(fingers)],
        )
