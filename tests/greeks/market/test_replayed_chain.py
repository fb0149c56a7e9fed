"""Chains of past days: kept a few times an hour, replayed beside their day, never today's."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from config.core.redis.client import redis_client
from greeks.minutes.chain_codec import pack_chain, unpack_chain
from greeks.minutes.kept_chains import kept_chain
from greeks.minutes.rebuild import rebuild
from greeks.minutes.stored import Chain
from greeks.models import ChainSnapshot
from greeks.polling.latest_chain import latest_chain_key
from tests.greeks.conftest import Desk
from tests.greeks.market import stored
from tests.greeks.scripted import CLOSES, EXPIRY, KEY, OPENS, chain_at

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
NUMBERS = ("bid", "ask", "last", "iv", "delta", "gamma", "theta", "vega",
           "volume", "open_interest", "previous_open_interest")  # fmt: skip
# A minute's first and last poll.
ENDS = range(0, 60, 55)
NEXT_DAY = datetime(2026, 11, 30, 5, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _session(db: None, settings: Settings) -> None:
    stored.session()
    stored.session(date(2026, 11, 30))
    settings.MARKET_CLOCK = ""


@pytest.fixture
def past(desk: Desk, settings: Settings) -> Desk:
    """A Friday with chains kept at 09:15 and 09:30, seen on Monday, with Monday's own chain."""
    for number in (0, 1, 15, 16):
        desk.poll_minute(OPENS + number * MINUTE, seconds=ENDS)
    desk.roll_up(OPENS + 17 * MINUTE + timedelta(seconds=1))
    settings.MARKET_CLOCK = NEXT_DAY.isoformat()
    desk.provider.options = {"spot": 29_000.0, "strike": chain_at(NEXT_DAY).strike + 3_000.0}
    desk.poll(NEXT_DAY)
    return desk


def chain_of(**parameters: Any) -> Any:
    return Client().get("/api/market/chain", parameters)


def minutes() -> list[datetime]:
    return list(ChainSnapshot.objects.order_by("minute").values_list("minute", flat=True))


def test_chain_is_kept_at_the_opening_every_quarter_of_an_hour_and_at_the_close(
    desk: Desk,
) -> None:
    for number in (0, 1, 14, 15):
        desk.poll_minute(OPENS + number * MINUTE, seconds=ENDS)
    desk.roll_up(OPENS + 16 * MINUTE + timedelta(seconds=1))
    desk.poll_minute(CLOSES - 2 * MINUTE, seconds=ENDS)
    desk.poll_minute(CLOSES - MINUTE, seconds=ENDS)
    desk.roll_up(CLOSES + timedelta(seconds=1))
    assert minutes() == [OPENS, OPENS + 15 * MINUTE, CLOSES - MINUTE]
    row = ChainSnapshot.objects.earliest("minute")
    assert (row.as_of, row.source) == (OPENS + timedelta(seconds=55), "scripted")


def test_keeping_a_chain_again_changes_nothing_and_a_later_poll_replaces_it(desk: Desk) -> None:
    desk.poll_minute(OPENS, seconds=range(0, 50, 5))
    desk.roll_up(OPENS + MINUTE + timedelta(seconds=1))
    first = ChainSnapshot.objects.values().get()
    rebuild(slug=desk.slug, start=OPENS, end=OPENS + MINUTE, at=OPENS + 2 * MINUTE)
    assert ChainSnapshot.objects.values().get() == first
    desk.poll(OPENS + timedelta(seconds=55))
    desk.roll_up(OPENS + 2 * MINUTE + timedelta(seconds=1))
    assert ChainSnapshot.objects.get().as_of == OPENS + timedelta(seconds=55)


def test_packed_chain_is_the_chain_to_seven_digits_and_an_eighth_of_its_size(desk: Desk) -> None:
    desk.provider.options = {"strikes": 100, "without_greeks": 7}
    desk.poll(OPENS)
    text = str(redis_client().get(latest_chain_key(desk.slug, EXPIRY)))
    packed = pack_chain(text)
    found, sent = json.loads(unpacked(packed)), json.loads(text)
    strikes, expected = found.pop("strikes"), sent.pop("strikes")
    for body in (found, sent):
        body["as_of"] = datetime.fromisoformat(body["as_of"])
    assert found == sent
    assert [row["strike"] for row in strikes] == [row["strike"] for row in expected]
    for row, other in zip(strikes, expected, strict=True):
        for side in ("call", "put"):
            values = {name: row[side].pop(name) for name in NUMBERS}
            wanted = {name: other[side].pop(name) for name in NUMBERS}
            known = {name for name in NUMBERS if wanted[name] is not None}
            assert {name for name in NUMBERS if values[name] is not None} == known
            for name in known:
                assert values[name] == pytest.approx(wanted[name], rel=1e-7)
            assert values["bid"] == round(wanted["bid"], 2)
            assert values["volume"] == wanted["volume"]
            assert row[side] == other[side]
    assert len(packed) < len(text) / 8


def unpacked(packed: bytes) -> bytes:
    return msgspec.json.encode(unpack_chain(packed))


def test_past_day_is_answered_with_its_own_last_chain_and_says_when_and_whose(past: Desk) -> None:
    body = chain_of(date="2026-11-27").json()
    assert body["spot"] == chain_at(OPENS + 16 * MINUTE - timedelta(seconds=5)).spot
    assert body["strikes"][0]["strike"] == 25_000.0
    assert body["minute"] == "2026-11-27T09:30:00+05:30"
    assert body["as_of"] == "2026-11-27T09:30:55+05:30"
    assert body["source"] == "scripted"
    assert body["kept_minutes"] == ["2026-11-27T09:15:00+05:30", "2026-11-27T09:30:00+05:30"]
    assert chain_of().json()["spot"] == 29_000.0
    assert chain_of().json()["minute"] is None


def test_time_chooses_the_last_chain_kept_up_to_then(past: Desk) -> None:
    assert chain_of(date="2026-11-27", at="09:29").json()["minute"][11:16] == "09:15"
    assert chain_of(date="2026-11-27", at="15:29").json()["minute"][11:16] == "09:30"
    assert chain_of(date="2026-11-27", at="09:14").status_code == 404
    refused = chain_of(date="2026-11-27", at="noon")
    assert refused.status_code == 400
    assert list(refused.json()["error"]["fields"]) == ["at"]


def test_settled_day_s_chain_may_be_cached_for_an_hour(past: Desk) -> None:
    answer = chain_of(date="2026-11-27")
    assert answer["Cache-Control"] == "public, max-age=3600, immutable"
    again = Client().get(
        "/api/market/chain", {"date": "2026-11-27"}, headers={"if-none-match": answer["ETag"]}
    )
    assert again.status_code == 304
    assert "immutable" not in chain_of()["Cache-Control"]


def test_page_of_a_past_day_shows_that_day_s_chain_and_nothing_of_today(past: Desk) -> None:
    text = Client().get("/market", {"date": "2026-11-27"}).content.decode()
    assert 'data-strike="26000"' in text
    assert 'data-strike="29000"' not in text
    assert "80 strikes" not in text
    assert "40 strikes, as of 09:30:55 IST, kept from scripted" in text
    assert '<option value="09:15">09:15</option>' in text
    early = Client().get("/market", {"date": "2026-11-27", "at": "09:15"}).content.decode()
    assert "as of 09:15:55 IST" in early
    wrong = Client().get("/market", {"date": "2026-11-27", "at": "x"}).content.decode()
    assert "Expected HH:MM" in wrong


def test_day_without_kept_chains_shows_none_and_no_strike_of_today(past: Desk) -> None:
    ChainSnapshot.objects.all().delete()
    assert chain_of(date="2026-11-27").status_code == 404
    text = Client().get("/market", {"date": "2026-11-27"}).content.decode()
    assert "No chain of this day was kept." in text
    assert 'data-strike="29000"' not in text
    live = Client().get("/market").content.decode()
    assert 'data-strike="29000"' in live


def test_latest_chain_of_another_day_says_its_day(past: Desk, settings: Settings) -> None:
    settings.MARKET_CLOCK = (NEXT_DAY + timedelta(days=1)).isoformat()
    stored.session(date(2026, 12, 1))
    assert "IST on 30 Nov 26" in Client().get("/market").content.decode()


def test_damaged_chain_counts_as_none_and_a_chain_is_two_queries(
    past: Desk, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    chain = Chain(KEY, date(2026, 11, 27), EXPIRY)
    with django_assert_num_queries(2):
        assert kept_chain(chain) is not None
    ChainSnapshot.objects.update(packed=b"cut off")
    assert kept_chain(chain) is None
