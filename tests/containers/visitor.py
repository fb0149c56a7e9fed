"""A person with a browser's manners, who comes through the TLS proxy."""

from __future__ import annotations

import re
import ssl
from typing import Any

import httpx
import pyotp

from tests.containers.engine import Failed
from tests.containers.stack import HOST


class Visitor:
    """``authority`` is the certificate that signed the proxy's."""

    def __init__(self, port: int, authority: str) -> None:
        context = ssl.create_default_context(cadata=authority)
        self._client = httpx.Client(
            base_url=f"https://127.0.0.1:{port}",
            verify=context,
            headers={"Host": HOST, "Referer": f"https://{HOST}/accounts/login"},
            timeout=30,
            trust_env=False,
        )

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._client.request(method, path, extensions={"sni_hostname": HOST}, **options)

    def sign_in(self, name: str, password: str) -> None:
        """Log in as staff, who set up their second factor on the way."""
        self._send("/accounts/login", {"username": name, "password": password})
        page = self.ask("GET", "/accounts/second-factor/set-up").text
        key = re.search(r'class="key">([A-Z2-7 ]+)<', page)
        if key is None:
            raise Failed(f"the set-up of the second factor: {page[:500]}")
        code = pyotp.TOTP(key[1].replace(" ", "")).now()
        answer = self._send("/accounts/second-factor/set-up", {"code": code})
        if self.ask("GET", "/").status_code != 200:
            raise Failed(f"the log-in: {answer.status_code} {answer.text[:500]}")

    def _send(self, path: str, fields: dict[str, str]) -> httpx.Response:
        page = self.ask("GET", path)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        if page.status_code != 200 or token is None:
            raise Failed(f"{path}: {page.status_code}")
        return self.ask("POST", path, data={"csrfmiddlewaretoken": token[1], **fields})

    def positions(self) -> int:
        """Return how many positions the book shows."""
        answer = self.ask("GET", "/api/portfolio/positions").raise_for_status().json()
        return len(answer["positions"])

    def health(self) -> dict[str, Any]:
        status: dict[str, Any] = self.ask("GET", "/health").json()
        return status
