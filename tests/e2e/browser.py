"""The browser as the tests use it: waits that say what they wait for, and no sleeps."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from portfolio.demo.seed import DEMO_NAME, DEMO_PASSWORD
from tests.servers.chromium import browser_program, driver_program

WAIT_SECONDS = 20.0
# Each question wakes three processes.
POLL_SECONDS = 0.1
AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Pages that were left would stay alive beside the one under test.
    "--disable-features=BackForwardCache",
    "--hide-scrollbars",
)
PHONE_BELOW = 600

# Keeps every websocket of the page, what it received and sent, and the status of every fetch.
WITNESS = """
  const Real = window.WebSocket;
  window.seen = { sockets: [], sent: [], frames: [], fetched: [] };
  window.WebSocket = class extends Real {
    constructor(...given) {
      super(...given);
      window.seen.sockets.push(this);
      this.addEventListener("message", ({ data }) => window.seen.frames.push(JSON.parse(data)));
    }
    send(text) { window.seen.sent.push(text); super.send(text); }
  };
  const fetched = window.fetch;
  window.fetch = async (...given) => {
    const answer = await fetched(...given);
    window.seen.fetched.push([new URL(answer.url).pathname, answer.status]);
    return answer;
  };
  window.shift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
"""

# What a page's own security policy refuses does not always reach the driver's console.
REFUSALS = """
  window.refusals = [];
  document.addEventListener("securitypolicyviolation", (event) => {
    window.refusals.push(`${event.violatedDirective} ${event.blockedURI} ${event.lineNumber}`);
  });
"""

# Whatever is in sight and can be pressed; of a label with its control, the label counts too.
SMALL_TARGETS = """
  const pressed = "a[href], button, input:not([type=hidden]), select, textarea, summary";
  return [...document.querySelectorAll(pressed)].flatMap((element) => {
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    const inSentence = element.tagName === "A" && style.display === "inline";
    const shown = element.checkVisibility({ visibilityProperty: true });
    const hidden = !shown || !box.width || style.clipPath === "inset(50%)";
    const isOther = element.className === "skip-link" || element.type === "range";
    if (hidden || inSentence || isOther) return [];
    const label = element.closest("label");
    const { width, height } = label?.control === element && element.type !== "text"
      ? label.getBoundingClientRect() : box;
    if (Math.max(width, box.width) > 43.5 && Math.max(height, box.height) > 43.5) return [];
    return [`${element.outerHTML.slice(0, 80)} ${width}x${height}`];
  });
"""
STEPS_BACK = """
  const pressed = "a[href], button, input:not([type=hidden]), select, textarea, summary";
  const places = [...document.querySelectorAll(`${pressed}, [tabindex="0"]`)].flatMap((element) => {
    const box = element.getBoundingClientRect();
    const scrolls = element.closest("[role=region]") && !element.matches("[role=region]");
    const shown = box.width && element.tabIndex >= 0 && !element.disabled
      && element.checkVisibility({ visibilityProperty: true });
    return shown && !scrolls && element.className !== "skip-link" ? [{ element, box }] : [];
  });
  return places.slice(1).flatMap(({ element, box }, index) => {
    const before = places[index];
    if (box.bottom > before.box.top + 1 || box.left >= before.box.right) return [];
    return [`${before.element.outerHTML.slice(0, 60)} -> ${element.outerHTML.slice(0, 60)}`];
  });
"""


class Browser:
    """A Chromium window on one desk. ``driver`` is Selenium's own."""

    def __init__(self, url: str) -> None:
        self.url = url
        options = webdriver.ChromeOptions()
        options.binary_location = browser_program() or ""
        for flag in FLAGS:
            options.add_argument(flag)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.ChromeService(driver_program() or "")
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(WAIT_SECONDS)
        self._session: dict[str, Any] | None = None
        self._scripts: list[str] = []

    def quit(self) -> None:
        self.driver.quit()

    def leave(self) -> None:
        """Close the page: a live one works on beside the tests of other desks."""
        self.driver.get("about:blank")

    def begin(self) -> None:
        """A clean window for the next test: no cookies, no emulation, an empty console."""
        scripts, self._scripts = self._scripts, []
        for identifier in scripts:
            # A script that was set in a closed tab has gone with it.
            with suppress(WebDriverException):
                self.command("Page.removeScriptToEvaluateOnNewDocument", identifier=identifier)
        self.command("Network.enable")
        self.command("Network.setBlockedURLs", urls=[])
        self.unplug(unplugged=False)
        self.command("Emulation.setScriptExecutionDisabled", value=False)
        self.driver.delete_all_cookies()
        self.command("Network.clearBrowserCookies")
        self.prefer(scheme="dark")
        self.resize(1440, 900)
        self.driver.get_log("browser")

    def command(self, name: str, /, **parameters: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, parameters)

    def on_each_page(self, script: str) -> None:
        """Run a script on every page before the page's own."""
        done = self.command("Page.addScriptToEvaluateOnNewDocument", source=script)
        self._scripts.append(done["identifier"])

    def unplug(self, *, unplugged: bool = True) -> None:
        """Cut the page off from the network, or let it back on."""
        self.command(
            "Network.emulateNetworkConditions",
            offline=unplugged,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def problem(self) -> str:
        """Wait for the page's notice of a problem; its text."""
        notice = '[data-part="problem"]'
        self.wait(lambda: self.find(notice).is_displayed(), "no problem told")
        return self.find(notice).text

    def try_again(self) -> None:
        """Press what the notice of a problem offers, and wait until the notice is gone."""
        self.find('[data-part="retry"]').click()
        self.wait(
            lambda: not self.find_all('[data-part="problem"]:not([hidden])'), "the problem stays"
        )

    def prefer(self, *, scheme: str, motion: str = "reduce") -> None:
        """Ask for a theme. What moves is drawn sixty times a second: only where it is the test."""
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
        self.command(
            "Emulation.setEmulatedMedia",
            features=[{"name": name, "value": value} for name, value in features.items()],
        )

    def resize(self, width: int, height: int) -> None:
        phone = width < PHONE_BELOW
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        self.command("Emulation.setTouchEmulationEnabled", enabled=phone)

    def open(self, path: str) -> None:
        self.driver.get(self.url + path)

    def log_in(self) -> None:
        """Be the demo's user: by the form the first time, by its session's cookie from then on."""
        if self._session is None:
            self.open("/accounts/login")
            self.fill_in_log_in(DEMO_NAME, DEMO_PASSWORD)
            self.wait_for("[data-risk-monitor]")
            self._session = self.driver.get_cookie("greekdesk_session")
        else:
            self.command(
                "Network.setCookie",
                name="greekdesk_session",
                value=self._session["value"],
                url=self.url,
                httpOnly=True,
            )

    def forget_log_in(self) -> None:
        """The next ``log_in`` is by the form: the session has ended."""
        self._session = None

    def fill_in_log_in(self, name: str, password: str) -> None:
        self.find("[name=username]").send_keys(name)
        self.find("[name=password]").send_keys(password)
        self.press("main form [type=submit]")

    def press(self, selector: str) -> None:
        """Click what leads to another page, and wait until this one is gone."""
        self.script("window.left = false")
        self.find(selector).click()
        # Between two pages the driver may find neither.
        waiting = WebDriverWait(
            self.driver,
            WAIT_SECONDS,
            poll_frequency=POLL_SECONDS,
            ignored_exceptions=[WebDriverException],
        )
        waiting.until(
            lambda _: self.script("return window.left") is None, f"{selector} led nowhere"
        )

    def type_into_focus(self, *keys: str) -> None:
        """Press keys by their names, wherever the focus is."""
        chain = ActionChains(self.driver)
        for key in keys:
            chain.send_keys(getattr(Keys, key))
        chain.perform()

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """Return the text in the page, shown or not, without the template's line breaks."""
        text = self.script("return document.querySelector(arguments[0]).textContent", selector)
        return " ".join(str(text).split())

    def texts(self, selector: str) -> list[str]:
        found = self.script(
            "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)",
            selector,
        )
        return list(found)

    def texts_in_sight(self, selector: str) -> list[str]:
        """Return the texts of those elements that are shown."""
        found = self.script(
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter((e) => e.checkVisibility({ visibilityProperty: true }))"
            ".map((e) => e.innerText)",
            selector,
        )
        return list(found)

    def script(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait until the condition holds; its value. Fails saying ``what`` never came."""
        waiting = WebDriverWait(self.driver, WAIT_SECONDS, poll_frequency=POLL_SECONDS)
        return waiting.until(lambda _: condition(), f"{what}; console: {self.console()}")

    def wait_for(self, selector: str) -> WebElement:
        found = self.wait(lambda: self.find_all(selector), f"no {selector}")
        return found[0]

    def draw(self, plot: str) -> None:
        """Bring a plot into view until it is painted, which waits for that."""
        self.wait_for(f"{plot}[role=slider]")
        self.script("document.querySelector(arguments[0]).scrollIntoView()", plot)
        self.wait_for(f"{plot} canvas")
        self.script("window.scrollTo({top: 0, behavior: 'instant'})")

    def wait_until_gone(self, selector: str) -> None:
        self.wait(lambda: not self.find_all(selector), f"{selector} stays")

    def console(self) -> list[str]:
        """What the console complained of since it was last asked."""
        lines: list[Mapping[str, Any]] = self.driver.get_log("browser")
        return [line["message"] for line in lines if line["level"] in ("SEVERE", "WARNING")]

    def width_beyond_window(self, selector: str = "html") -> int:
        """Return how far one must scroll to the side to see all of the page, or of a part."""
        script = "const e = document.querySelector(arguments[0]); "
        return int(self.script(f"{script} return e.scrollWidth - e.clientWidth", selector))

    def small_targets(self) -> list[str]:
        """Return what a finger is meant to hit and is below 44 px, except links in a sentence."""
        return list(self.script(SMALL_TARGETS))

    def steps_back(self) -> list[str]:
        """Return where Tab goes up the page without going to a column further right."""
        # The header stays in view: only at the top is it above the page.
        self.script("window.scrollTo({top: 0, behavior: 'instant'})")
        return list(self.script(STEPS_BACK))

    def violations(self, rules: Sequence[str] = ()) -> list[str]:
        """Return axe's findings on the page, by ``rules`` or by WCAG 2.2 AA and best practice."""
        if not self.script("return 'axe' in window"):
            self.script(AXE.read_text(encoding="utf-8"))
        # A colour on its way from one theme to the other is in neither. Nothing is preloaded: that
        # is for sound and for rules not yet in use.
        found = self.driver.execute_async_script(
            """
            const done = arguments[arguments.length - 1];
            const moving = document.getAnimations().filter((one) => one.transitionProperty);
            for (const transition of moving) transition.finish();
            const options = { resultTypes: ["violations"], preload: false };
            if (arguments[0].length) options.runOnly = arguments[0];
            axe.run(document, options).then((result) => done(
              result.violations.flatMap((rule) => rule.nodes.map(
                (node) => `${rule.id}: ${node.target} ${node.failureSummary}`))));
            """,
            rules,
        )
        return list(found)
