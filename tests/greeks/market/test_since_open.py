"""The change since the open: one figure in every resolution, page, API, websocket and alert."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client, RequestFactory

from greeks.alerts.metrics import FROM_OPEN, measured, registered_metrics
from greeks.alerts.minutes import chain_minutes
from greeks.market.bodies.questions import RESOLUTIONS
from greeks.market.feed import Watched, read_chain
from greeks.market.page import MarketPage
from greeks.models import GreekSnapshot, PolledInstrument
from tests.greeks.market import stored

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

OPEN_TEXT = "2026-11-27T09:15:00+05:30"


def store_day() -> tuple[list[GreekSnapshot], float]:
    """Return a morning's rows, polled from before the opening on, and vega's change since it."""
    early = [
        stored.snapshot(stored.OPENING - timedelta(minutes=number), seed=number)
        for number in (7, 3)
    ]
    GreekSnapshot.objects.bulk_create(early)
    rows = stored.store(missing={3, 21}, empty={40})
    return rows, vega(rows[-1]) - vega(rows[0])


def vega(row: GreekSnapshot) -> float:
    return row.total_vega_close  # type: ignore[attr-defined]


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_since_open_counts_from_the_opening_minute_in_every_resolution(
    nifty: PolledInstrument, resolution: str
) -> None:
    rows, moved = store_day()
    body = Client().get("/market/data", {"resolution": resolution}).json()
    assert body["base"] == {"minute": OPEN_TEXT, "is_opening": True}
    assert body["series"]["vega"]["total"]["from_open"][-1] == moved
    # A step begins at the opening, whatever was stored before.
    assert OPEN_TEXT in body["minutes"]
    page = MarketPage(RequestFactory().get("/market", {"resolution": resolution}))
    (shown,) = [greek for greek in page.greeks if greek.name == "vega"]
    assert {row["side"]: row["from_open"] for row in shown.rows}["total"] == moved
    closes = Client().get("/market/data", {"resolution": resolution, "columns": "closes"}).json()
    assert body["opening_spot"] == closes["opening_spot"] == rows[0].spot
    first, last = rows[0].spot or 0.0, rows[-1].spot or 0.0
    assert page.latest["spot_change"] == last - first != 0.0


def test_since_open_of_the_websocket_and_of_alerts_is_that_of_the_body(
    nifty: PolledInstrument,
) -> None:
    rows, moved = store_day()
    row = read_chain(Watched("nifty", None)).row
    assert row is not None
    assert row["series"]["vega"]["total"]["from_open"] == moved
    minutes = chain_minutes(
        rows[-1],
        opening=stored.OPENING,
        count=5,
        columns={"total_vega_close"},
        with_buckets=False,
    )
    metric = registered_metrics()["vega"]
    values = measured(metric, FROM_OPEN, minutes, side="total", delta_range=None)
    assert values[-1] == moved


def test_alert_counts_from_the_first_minute_with_sums_like_the_body(
    nifty: PolledInstrument,
) -> None:
    rows = stored.store(minutes=10)
    sums = {f"{side}_{greek}_close": None for side in ("call", "put", "total")
            for greek in ("delta", "gamma", "theta", "vega")}  # fmt: skip
    GreekSnapshot.objects.filter(pk=rows[0].pk).update(**sums)
    body = Client().get("/market/data").json()
    assert body["base"]["is_opening"] is False
    minutes = chain_minutes(
        rows[-1],
        opening=stored.OPENING,
        count=1,
        columns={"total_vega_close", "spot"},
        with_buckets=False,
    )
    metrics = registered_metrics()
    (value,) = measured(metrics["vega"], FROM_OPEN, minutes, side="total", delta_range=None)
    assert value == vega(rows[9]) - vega(rows[1])
    # The opening minute has a spot.
    (moved,) = measured(metrics["spot"], FROM_OPEN, minutes, side="", delta_range=None)
    assert moved == (rows[9].spot or 0.0) - body["opening_spot"] != 0.0
    assert value == body["series"]["vega"]["total"]["from_open"][9]
