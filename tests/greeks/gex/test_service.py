"""An external service of gamma exposure, its fields named by a setting."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pytest_django.fixtures import Settings

from config.core.errors import MalformedResponse, PermanentError
from greeks.gex.history import day_history
from greeks.gex.questions import GexQuestion
from greeks.gex.reading import refresh_gex
from greeks.gex.snapshots import take_snapshot
from greeks.models import GexSnapshot
from greeks.providers import exposure_service
from greeks.providers.exposure_service import ServiceExposure, fetch_service_exposure

ANSWER = {
    "data": {"net": "-1.5e12", "walls": [7000, 6500.0], "flip": None},
    "at": "2026-11-27T15:00:00Z",
}


@pytest.fixture(autouse=True)
def _service(settings: Settings) -> None:
    settings.GEX_SERVICE_URL = "https://exposure.test/v1/{symbol}?full=1"
    settings.GEX_SERVICE_TOKEN = "a-secret"  # pragma: allowlist secret
    settings.GEX_SERVICE_FIELDS = {
        "gamma_exposure": "data.net",
        "call_wall": "data.walls.0",
        "put_wall": "data.walls.1",
        "zero_gamma": "data.flip",
        "timestamp": "at",
    }


def answering(answer: Any, asked: list[httpx.Request] | None = None) -> httpx.MockTransport:
    def handle(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        return httpx.Response(200, json=answer)

    return httpx.MockTransport(handle)


def test_fields_are_found_at_their_paths_and_missing_stays_missing() -> None:
    asked: list[httpx.Request] = []
    found = fetch_service_exposure("BRK/B", transport=answering(ANSWER, asked))
    assert str(asked[0].url) == "https://exposure.test/v1/BRK%2FB?full=1"
    assert asked[0].headers["authorization"] == "Bearer a-secret"
    assert (found.gamma_exposure, found.call_wall, found.put_wall) == (-1.5e12, 7000.0, 6500.0)
    assert (found.zero_gamma, found.spot) == (None, None)
    assert found.as_of.isoformat() == "2026-11-27T15:00:00+00:00"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda body: body["data"].pop("net"), "data.net"),
        (lambda body: body["data"].update(net=None), "data.net"),
        (lambda body: body["data"].update(walls=[1]), "data.walls.1"),
        (lambda body: body["data"].update(walls="none"), "data.walls.0"),
        (lambda body: body["data"].update(flip={"level": 1}), "data.flip"),
        (lambda body: body.update(at="soon"), "at"),
    ],
)
def test_answer_without_a_field_is_refused_by_its_path(
    change: Callable[[Any], Any], named: str
) -> None:
    body = json.loads(json.dumps(ANSWER))
    change(body)
    with pytest.raises(MalformedResponse, match=named.replace(".", r"\.")):
        fetch_service_exposure("SPY", transport=answering(body))


def test_service_that_is_not_set_up_says_what_is_missing(settings: Settings) -> None:
    settings.GEX_SERVICE_FIELDS = {"gamma_exposure": "net"}
    with pytest.raises(PermanentError, match="call_wall"):
        fetch_service_exposure("SPY", transport=answering(ANSWER))


@pytest.mark.django_db
def test_service_s_sums_are_served_and_kept_as_a_series_of_their_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.GEX_SYMBOLS, settings.GEX_SOURCE = ["SPY"], "service"

    def asked(symbol: str) -> ServiceExposure:
        return exposure_service.fetch_service_exposure(symbol, transport=answering(ANSWER))

    monkeypatch.setattr("greeks.gex.service_body.fetch_service_exposure", asked)
    body = refresh_gex("SPY")
    assert (body.source, body.gamma_exposure, body.detail) == ("service", -1.5e12, None)
    assert take_snapshot(symbol="SPY")
    assert GexSnapshot.objects.get().definition_version == "service.1"
    assert day_history(GexQuestion(symbol="SPY")).gamma_exposure == [-1.5e12]
