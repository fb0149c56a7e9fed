"""The slim body for the page: a fraction of the API's, and the same figures."""

from __future__ import annotations

from typing import Any

import brotli
import msgspec
import pytest
from django.test import Client

from greeks.chains import SUMMED_GREEKS
from greeks.market.shapes import MarketCloses
from greeks.models import PolledInstrument
from tests.greeks.market import stored

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def get(**parameters: Any) -> Any:
    return Client().get("/market/data", parameters)


@pytest.mark.parametrize("resolution", ["1m", "5m", "1h"])
def test_closes_lead_to_the_figures_of_the_whole_body(
    nifty: PolledInstrument, resolution: str
) -> None:
    stored.store(missing={3, 4, 70}, empty={9})
    whole = get(resolution=resolution).json()
    slim = get(resolution=resolution, columns="closes").json()
    for name in ("slug", "expiry", "date", "base", "session", "version", "velocity", "as_of"):
        assert slim[name] == whole[name]
    assert (slim["steps"], slim["first_minute"]) == (len(whole["minutes"]), whole["minutes"][0])
    assert slim["gap"] == [place for place, is_gap in enumerate(whole["gap"]) if is_gap]
    for greek in SUMMED_GREEKS:
        for side in ("call", "put"):
            columns, close = whole["series"][greek][side], slim["close"][greek][side]
            base = slim["base_close"][greek][side]
            for place, value in enumerate(close):
                assert (value is None) == (columns["close"][place] is None)
                if value is not None:
                    assert value == pytest.approx(columns["close"][place], abs=1e-6)
                    moved = columns["from_open"][place]
                    assert value - base == pytest.approx(moved, abs=2e-6)
    last = max(place for place, is_gap in enumerate(whole["gap"]) if not is_gap)
    assert slim["latest"]["max_pain"] == whole["max_pain"][last]
    assert slim["latest"]["vendor"]["vega"]["put"] == whole["vendor"]["vega"]["put"][last]


def test_range_sends_what_closes_cannot_say(nifty: PolledInstrument) -> None:
    stored.store(missing={3})
    whole = get(delta_min="0.3").json()["series"]["vega"]["call"]
    slim = get(delta_min="0.3", columns="closes").json()
    for name in ("close", "change", "from_open", "crossed"):
        for ours, theirs in zip(slim[name]["vega"]["call"], whole[name], strict=True):
            assert ours == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("delta_min", ["0", "0.3"])
def test_slim_body_has_exactly_the_documented_shape(
    nifty: PolledInstrument, delta_min: str
) -> None:
    stored.store(missing={3, 4}, empty={9})
    answer = get(columns="closes", delta_min=delta_min)
    body = msgspec.json.decode(answer.content, type=MarketCloses, strict=True)
    assert (body.base_close is None) is (delta_min != "0")
    assert body.latest is not None
    assert answer.json().keys() == set(MarketCloses.__struct_encode_fields__)


def test_slim_body_is_a_fraction_of_the_whole_one(nifty: PolledInstrument) -> None:
    stored.store()
    sizes = {}
    for columns in ("all", "closes"):
        answer = Client().get(
            "/market/data", {"columns": columns}, headers={"accept-encoding": "br"}
        )
        assert answer["Content-Encoding"] == "br"
        assert answer["ETag"]
        sizes[columns] = len(answer.content), len(brotli.decompress(answer.content))
    assert sizes["closes"][0] < sizes["all"][0] / 6
    assert sizes["closes"][1] < sizes["all"][1] / 6
    assert get(columns="some").status_code == 400


def test_day_without_a_minute_has_no_latest(nifty: PolledInstrument) -> None:
    stored.store(empty=range(74))
    slim = get(columns="closes").json()
    assert (slim["latest"], slim["base_close"], len(slim["gap"])) == (None, None, 74)
