"""How long to wait for snapshots, and which data not to wait for twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from redis.exceptions import RedisError

from config.core.http.caller import HttpCaller
from config.core.redis.client import redis_client
from config.core.redis.process_copies import forget_process_copies
from greeks.domain import Contract
from portfolio.brokers.ibkr_portal import session as ibkr_portal_session
from portfolio.brokers.ibkr_portal import snapshots
from portfolio.brokers.ibkr_portal.gateway import PortalGateway
from portfolio.brokers.ibkr_portal.session import GatewayMemory, PortalSession
from portfolio.brokers.ibkr_portal.snapshots import DELTA, IN_VAIN_SECONDS, LAST, poll_snapshots
from tests.portfolio.books import option, stock
from tests.portfolio.brokers.ibkr_portal.ibkr_portal_support import OPEN_SESSION

PRICED = {LAST: "12.00"}
COMPLETE = {**PRICED, DELTA: "0.50"}
OPTIONS = {"1": option(600), "2": option(610)}


class Gateway:
    """A gateway whose rows a test changes; counts the requested snapshots."""

    def __init__(self, name: str) -> None:
        self.rows: dict[str, Mapping[str, str]] = {}
        self.asked = 0
        self._url = f"https://{name}.test/v1/api"

    def connected(self) -> PortalGateway:
        """As another process would connect to it."""
        session = PortalSession(GatewayMemory(self._url), self._caller(None))
        return PortalGateway(self._url, self._caller(session.reopen), session)

    def _caller(self, renew: Callable[[], None] | None) -> HttpCaller:
        transport = httpx.MockTransport(self._answer)
        return HttpCaller(
            self._url, self._url, timeout=2.0, attempts=1, renew=renew, transport=transport
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body: Any = {"iserver": {"authStatus": OPEN_SESSION}}
        if request.url.path.endswith("/snapshot"):
            self.asked += 1
            body = [{"conid": int(conid), **row} for conid, row in self.rows.items()]
        return httpx.Response(200, text=json.dumps(body))

    def poll(self, contracts: Mapping[str, Contract] = OPTIONS, seconds: float = 0.35) -> int:
        """Return the number of requests one poll makes."""
        before = self.asked
        rows = poll_snapshots(self.connected(), contracts, seconds=seconds)
        assert {str(row["conid"]) for row in rows} == self.rows.keys()
        return self.asked - before


class Clock:
    """Time that passes by waiting alone, however busy the machine is."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture(autouse=True)
def _own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "time", Clock())


@pytest.fixture
def gateway(request: pytest.FixtureRequest) -> Gateway:
    return Gateway(request.node.name.replace("_", "-"))


def test_option_that_got_no_greeks_is_not_waited_for_again(gateway: Gateway) -> None:
    gateway.rows = {"1": PRICED, "2": COMPLETE}
    assert gateway.poll() > 1

    # Nor by another process, which shares only Redis.
    forget_process_copies()
    assert gateway.poll() == 1


def test_other_contracts_are_waited_for_nevertheless(gateway: Gateway) -> None:
    gateway.rows = {"1": PRICED, "2": COMPLETE}
    gateway.poll()

    gateway.rows = {"1": PRICED, "2": PRICED}
    assert gateway.poll() > 1


def test_price_of_an_option_without_greeks_is_waited_for_past_the_preflight(
    gateway: Gateway,
) -> None:
    gateway.rows = {"1": PRICED, "2": COMPLETE}
    gateway.poll()

    gateway.rows = {"1": {}, "2": COMPLETE}
    assert gateway.poll() > 1


def test_contract_that_got_no_price_is_not_waited_for_again(gateway: Gateway) -> None:
    gateway.rows = {"9": {}}
    contracts = {"9": stock()}
    assert gateway.poll(contracts) > 1
    assert gateway.poll(contracts) == 1


def test_greeks_that_come_later_are_taken(gateway: Gateway) -> None:
    gateway.rows = {"1": PRICED}
    contracts = {"1": OPTIONS["1"]}
    gateway.poll(contracts)

    gateway.rows = {"1": COMPLETE}
    (row,) = poll_snapshots(gateway.connected(), contracts, seconds=0.35)

    assert row[DELTA] == "0.50"


def test_they_are_waited_for_again_when_that_was_some_minutes_ago(gateway: Gateway) -> None:
    gateway.rows = {"1": PRICED, "2": COMPLETE}
    gateway.poll()
    (name,) = redis_client().keys("*greeks/1")
    assert 0 < redis_client().ttl(name) <= IN_VAIN_SECONDS

    redis_client().delete(name)

    assert gateway.poll() > 1


def test_preflight_alone_proves_nothing(gateway: Gateway) -> None:
    """A gateway so slow that one answer takes the whole time may have Greeks yet."""
    gateway.rows = {"1": PRICED, "2": PRICED}
    assert gateway.poll(seconds=0.0) == 1

    assert gateway.poll() > 1


def test_without_redis_the_process_remembers(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_redis() -> Any:
        raise RedisError("gone")

    monkeypatch.setattr(ibkr_portal_session, "redis_client", no_redis)
    gateway.rows = {"1": PRICED, "2": COMPLETE}

    assert gateway.poll() > 1
    assert gateway.poll() == 1


def test_new_session_of_the_gateway_does_not_make_all_wait_again(gateway: Gateway) -> None:
    gateway.rows = {"1": PRICED, "2": COMPLETE}
    gateway.poll()

    gateway.connected().memory.forget()

    assert gateway.poll() == 1
