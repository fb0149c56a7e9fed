"""A person with a browser's manners, who comes through the TLS proxy."""

from __future__ import annotations

import re
import ssl
from typing import Any

import httpx

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
        page = self.ask("GET", "/accounts/login")
        field = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        if page.status_code != 200 or field is None:
            raise Failed(f"the log-in page: {page.status_code}")
        form = {"csrfmiddlewaretoken": field[1], "username": name, "password": password}
        answer = self.ask("POST", "/accounts/login", data=form)
        if answer.status_code != 302 or self.ask("GET", "/").status_code != 200:
            raise Failed(f"the log-in: {answer.status_code} {answer.text[:500]}")

    def positions(self) -> int:
        """Return how many positions the book shows."""
        answer = self.ask("GET", "/api/portfolio/positions").raise_for_status().json()
        return len(answer["positions"])

    def health(self) -> dict[str, Any]:
        status: dict[str, Any] = self.ask("GET", "/health").json()
        return status
