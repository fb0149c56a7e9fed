"""Answers that are none, refusals and outages, and what the health check says of them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from config.core.errors import (
    ForbiddenError,
    MalformedResponse,
    RetryableError,
    UnauthorisedError,
)
from config.core.health import run_checks
from config.core.sandbox.server import Sandbox
from greeks.providers import registry
from greeks.sandbox.polygon.rules import API_KEY
from tests.greeks.providers.polygon_support import (
    answering,
    option,
    page,
    provider,
    row,
)

CALL = option()
TWELVE = [option(100, underlying=f"UND{letter}") for letter in "ABCDEFGHIJKL"]


def test_chain_that_is_unreadable_stops_no_other() -> None:
    legs = [option(100, underlying="BAD"), option(100, underlying="GOOD")]

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/BAD"):
            return httpx.Response(200, text='{"status": "OK", "results": [{"day": {"cl')
        return httpx.Response(200, json=page(row(legs[1])))

    fetched = provider(handler).fetch_snapshots(legs)

    assert [snapshot.contract.underlying for snapshot in fetched.items] == ["GOOD"]
    assert "is not JSON" in fetched.left_out["BAD"]


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text='{"status": "OK", "results": [{"day": {"cl'),
        httpx.Response(200, html="<html>Sign in</html>"),
        httpx.Response(200, json=[1, 2]),
        httpx.Response(200, json={"status": "OK", "results": {"a": 1}}),
        httpx.Response(200, json={"status": "ERROR", "error": "NaN"}),
        httpx.Response(200, json="results"),
        httpx.Response(200, text="null"),
    ],
)
def test_answer_that_is_none_raises(response: httpx.Response) -> None:
    with pytest.raises(MalformedResponse):
        answering(response).fetch_snapshots([CALL])


def test_underlying_that_the_vendor_does_not_know_is_absent() -> None:
    for body in (page(), {"status": "OK", "request_id": "r"}):
        fetched = answering(body).fetch_snapshots([CALL])
        assert (fetched.items, fetched.left_out) == ((), {})


def test_pages_that_came_before_a_failure_are_used_and_the_rest_named() -> None:
    legs = [option(140), option(150)]
    following = "https://api.massive.com/v3/snapshot/options/AAPL?cursor=1"
    source = answering(page(row(legs[0]), next_url=following), httpx.Response(404, json={}))

    fetched = source.fetch_snapshots(legs)

    assert [snapshot.contract for snapshot in fetched.items] == legs[:1]
    assert list(fetched.left_out) == ["AAPL"]


def test_vendor_that_is_down_is_asked_twice_and_no_further_chain() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        raise httpx.ConnectError("down")

    with pytest.raises(RetryableError):
        provider(handler).fetch_snapshots(TWELVE)
    assert asked == ["/v3/snapshot/options/UNDA"] * 2


@pytest.mark.django_db
def test_refused_key_is_not_tried_again_and_health_says_so(settings: Any) -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(401, json={"error": f"Unknown API Key {request.headers}"})

    source = provider(handler)
    for _ in range(3):
        with pytest.raises(UnauthorisedError) as caught:
            source.fetch_snapshots(TWELVE)
        assert "a-secret-key" not in str(caught.value)
    assert len(asked) == 1

    settings.POLYGON_API_KEY = "a-secret-key"
    settings.POLYGON_URL = f"https://{source.server.partition('@')[2]}"
    check = run_checks().checks["provider.polygon"]
    assert (check.status, check.detail) == ("degraded", "The key is refused.")


def test_chain_outside_the_plan_is_not_asked_for_again() -> None:
    legs = [option(6000, underlying="SPX"), CALL]
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path.rsplit("/", 1)[-1])
        if asked[-1] == "I:SPX":
            return httpx.Response(403, json={"status": "NOT_AUTHORIZED", "message": "Upgrade."})
        return httpx.Response(200, json=page(row(CALL)))

    source = provider(handler)
    for _ in range(2):
        fetched = source.fetch_snapshots(legs)
        assert [snapshot.contract for snapshot in fetched.items] == [CALL]
        assert list(fetched.left_out) == ["SPX"]
    assert asked == ["I:SPX", "AAPL", "AAPL"]
    with pytest.raises(ForbiddenError):
        source.fetch_snapshots(legs[:1])


@pytest.mark.django_db
def test_health_of_a_provider_that_is_not_set_up_or_well_is_well(
    sandbox: Sandbox, settings: Any
) -> None:
    assert run_checks().checks["provider.polygon"].detail == "Not set up."
    settings.POLYGON_API_KEY = API_KEY
    settings.POLYGON_URL = sandbox.url("polygon")
    source = registry.open_provider("polygon")
    contract = sandbox.market.chain("SPY", sandbox.market.expiries("SPY")[0])[0]
    source.fetch_snapshots([contract])
    check = run_checks().checks["provider.polygon"]
    assert (check.status, check.age_seconds is not None) == ("ok", True)
