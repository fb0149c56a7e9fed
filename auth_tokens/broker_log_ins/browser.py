"""A headless Chromium for one log-in: found, never downloaded; it leaves nothing behind."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import structlog
from django.conf import settings
from selenium import webdriver
from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
    WebDriverException,
)
from selenium.webdriver.common.by import By
from urllib3.exceptions import HTTPError

from auth_tokens.broker_tokens.errors import BrowserFailed, BrowserMissing, LogInTimedOut
from config.core.processes.lifeline import die_with_parent

logger = structlog.get_logger(__name__)

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DRIVER: Final = "chromedriver"
#: Command lines are public: put nothing here that the log-in types or receives.
FLAGS: Final = (
    "--headless=new",
    # A pipe: no port for others to connect to, and the browser ends with its driver.
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-breakpad",
    "--disable-save-password-bubble",
    "--no-first-run",
    "--window-size=1000,800",
)
PAGE_SECONDS: Final = 15
#: A browser that has not started, or is still open, by then hangs: it is killed, and its waiters
#: get an error.
START_SECONDS: Final = 30.0
OPEN_SECONDS: Final = 60.0

# Runs before a picture: empties fields and removes secrets from the text.
_BLANK: Final = """
  for (const field of document.querySelectorAll("input, textarea")) {
    field.value = ""; field.removeAttribute("value");
  }
  const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  while (walker.nextNode())
    for (const secret of arguments[0])
      walker.currentNode.data = walker.currentNode.data.replaceAll(secret, "•••");
"""
_SITE_DATE: Final = """
  const done = arguments[arguments.length - 1];
  fetch(location.href, { method: "HEAD", cache: "no-store" })
    .then((answer) => done(answer.headers.get("date") || ""), () => done(""));
"""


class HeadlessBrowser:
    """A window that starts empty. Use it in a ``with`` block.

    Raises ``BrowserMissing`` and ``BrowserFailed`` on entering; methods raise ``BrowserFailed`` if
    the browser died and ``LogInTimedOut`` if a page does not load.
    """

    def __init__(self, *, provider: str) -> None:
        self._provider = provider
        self._profile = ""
        self._driver: webdriver.Chrome | None = None
        self._service: webdriver.ChromeService | None = None
        self._watchdog: threading.Timer | None = None

    def __enter__(self) -> HeadlessBrowser:
        program = self._program("Chromium", "CHROMIUM_PATH", *BROWSERS)
        driver = self._program("chromedriver", "CHROMEDRIVER_PATH", DRIVER)
        # At level DEBUG Selenium logs every typed letter.
        logging.getLogger("selenium").setLevel(logging.WARNING)
        self._profile = tempfile.mkdtemp(prefix="greekdesk-log-in-")
        options = webdriver.ChromeOptions()
        options.binary_location = program
        options.page_load_strategy = "eager"
        for flag in (*FLAGS, f"--user-data-dir={self._profile}"):
            options.add_argument(flag)
        if os.geteuid() == 0:
            # Chromium refuses to sandbox itself as root, as in most containers.
            options.add_argument("--no-sandbox")
        parent = os.getpid()
        self._service = webdriver.ChromeService(
            driver,
            log_output=os.devnull,
            popen_kw={"preexec_fn": lambda: die_with_parent(parent, signal.SIGKILL)},
        )
        self._kill_after(START_SECONDS)
        try:
            self._driver = webdriver.Chrome(options=options, service=self._service)
            self._driver.set_page_load_timeout(PAGE_SECONDS)
            self._driver.set_script_timeout(PAGE_SECONDS)
            self._kill_after(OPEN_SECONDS)
        except (WebDriverException, HTTPError, OSError) as error:
            self._close()
            raise BrowserFailed(
                f"{self._provider}: the browser did not start ({_first_line(error)}).",
                provider=self._provider,
            ) from None
        return self

    def __exit__(self, *_failure: object) -> None:
        self._close()

    def open(self, url: str) -> None:
        with self._alive():
            try:
                self._chrome.get(url)
            except TimeoutException:
                said = f"the log-in page did not come within {PAGE_SECONDS} s."
            except WebDriverException as error:
                if "net::ERR" not in str(error.msg):
                    raise
                said = f"the log-in page does not answer ({_first_line(error)})."
            else:
                return
        raise LogInTimedOut(f"{self._provider}: {said}", provider=self._provider)

    def has(self, element_id: str) -> bool:
        """Return whether the page shows the element."""
        with self._alive():
            try:
                return bool(self._chrome.find_element(By.ID, element_id).is_displayed())
            except (NoSuchElementException, StaleElementReferenceException):
                return False

    def type_into(self, element_id: str, text: str) -> None:
        with self._alive():
            field = self._chrome.find_element(By.ID, element_id)
            field.clear()
            field.send_keys(text)

    def press(self, element_id: str) -> None:
        with self._alive():
            self._chrome.find_element(By.ID, element_id).click()

    def address(self) -> str:
        with self._alive():
            return str(self._chrome.current_url)

    def text(self) -> str:
        """Return the page's title and visible text, never its fields' contents."""
        return str(self._script("return document.title + '\\n' + document.body?.innerText") or "")

    def site_date(self) -> str:
        """Return the current ``Date`` of the page's own server; empty if it sends none."""
        with self._alive():
            try:
                return str(self._chrome.execute_async_script(_SITE_DATE) or "")
            except WebDriverException:
                return ""

    def picture(self, *, without: tuple[str, ...]) -> bytes:
        """Return the page as PNG, fields emptied and these texts removed; empty if unavailable."""
        try:
            self._script(_BLANK, [text for text in without if text])
            return self._chrome.get_screenshot_as_png()
        except (BrowserFailed, WebDriverException, HTTPError) as error:
            logger.warning("token.screenshot_lost", reason=type(error).__name__)
            return b""

    @property
    def _chrome(self) -> webdriver.Chrome:
        if self._driver is None:
            raise BrowserFailed(
                f"{self._provider}: the browser is not open.", provider=self._provider
            )
        return self._driver

    def _script(self, script: str, *arguments: Any) -> Any:
        with self._alive():
            return self._chrome.execute_script(script, *arguments)

    @contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except (WebDriverException, HTTPError) as error:
            raise BrowserFailed(
                f"{self._provider}: the browser failed ({type(error).__name__}).",
                provider=self._provider,
            ) from None

    def _program(self, what: str, setting: str, *names: str) -> str:
        named = getattr(settings, setting)
        path = named or next((found for name in names if (found := shutil.which(name))), "")
        if path and os.access(path, os.X_OK) and Path(path).is_file():
            return path
        raise BrowserMissing(
            f"{self._provider}: there is no {what} here. Install it, name it in {setting}, or set"
            " an analytics token.",
            provider=self._provider,
        )

    def _close(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            try:
                driver.quit()
            except (WebDriverException, HTTPError, OSError) as error:
                logger.warning("token.browser_left", reason=type(error).__name__)
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._kill()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _kill_after(self, seconds: float) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watchdog = threading.Timer(seconds, self._kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    def _kill(self) -> None:
        """Kill the driver if it still runs; its browser ends with the pipe between them."""
        process = getattr(self._service, "process", None)
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()


def _first_line(error: Exception) -> str:
    text = error.msg if isinstance(error, WebDriverException) and error.msg else str(error)
    return text.partition("\n")[0][:120]
