"""``/market/data`` and its neighbours: answers, errors, headers, and who may have them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import brotli
import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from auth_tokens.api_tokens.writing import create_api_token
from auth_tokens.models import ApiToken
from config.core.redis.client import key, redis_client
from greeks.models import PolledInstrument
from tests.factories import UserFactory
from tests.greeks.market import stored

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
ADDRESSES = ("/market/data", "/api/market/chain", "/api/market/instruments")


def get(**parameters: Any) -> Any:
    return Client().get("/market/data", parameters)


def polled_chain(text: str = '{"schema":1,"strikes":[]}', *, expiry: date = stored.EXPIRY) -> None:
    redis_client().set(key("chain_latest", "nifty", expiry.isoformat()), text)


def test_defaults_are_the_first_instrument_the_session_and_the_nearest_expiry(
    nifty: PolledInstrument,
) -> None:
    stored.polled_instrument(
        slug="banknifty", name="BANK NIFTY", instrument_key="NSE_INDEX|Nifty Bank", position=1
    )
    stored.store(minutes=3)
    body = get().json()
    assert (body["slug"], body["date"], body["expiry"]) == ("nifty", "2026-11-27", "2026-12-01")
    assert (body["resolution"], body["delta_min"], body["delta_max"]) == ("1m", 0.0, 1.0)
    assert (body["stale"], body["simulated"], body["forming"]) == (False, True, None)
    other = get(instrument_key="NSE_INDEX|Nifty Bank").json()
    assert (other["slug"], other["gap"][0]) == ("banknifty", True)
    assert other == get(slug="banknifty").json()


def test_disabled_instrument_is_no_default_but_has_its_past(nifty: PolledInstrument) -> None:
    stored.store(minutes=3)
    PolledInstrument.objects.update(enabled=False)
    assert get().status_code == 404
    assert get(slug="nifty").json()["gap"][0] is False


def test_past_session_is_of_the_expiry_that_was_nearest_then(nifty: PolledInstrument) -> None:
    day = date(2026, 11, 24)
    stored.session(day)
    for expiry in (day, date(2026, 12, 1)):
        stored.store(minutes=2, session_date=day, expiry=expiry, seed=expiry.day)
    assert get(date="2026-11-24").json()["expiry"] == "2026-11-24"
    assert get(date="2026-11-24", expiry="2026-12-01").json()["expiry"] == "2026-12-01"


def test_chart_of_the_day_stays_when_its_expiry_has_expired(
    nifty: PolledInstrument, settings: Settings
) -> None:
    nifty.listed_expiries = [{"expiry": "2026-11-27"}, {"expiry": "2026-12-01"}]
    nifty.save()
    stored.store(minutes=3, expiry=stored.DAY)
    assert get().json()["expiry"] == "2026-11-27"
    settings.MARKET_CLOCK = datetime(2026, 11, 27, 15, 0, tzinfo=UTC).isoformat()
    assert get().json()["expiry"] == "2026-11-27"
    settings.MARKET_CLOCK = datetime(2026, 11, 30, 4, 0, tzinfo=UTC).isoformat()
    stored.session(date(2026, 11, 30))
    assert get().json()["expiry"] == "2026-12-01"


@pytest.mark.parametrize(
    ("parameters", "status", "field"),
    [
        ({"colour": "red"}, 400, "colour"),
        ({"date": "2026-11-28"}, 400, "date"),
        ({"date": "2026-11-22"}, 400, "date"),
        ({"date": "2026-13-01"}, 400, "date"),
        ({"date": "yesterday"}, 400, "date"),
        ({"date": ""}, 400, "date"),
        ({"expiry": "2026-12-1"}, 400, "expiry"),
        ({"expiry": "2027-01-01"}, 404, "expiry"),
        ({"slug": "sensex"}, 404, "slug"),
        ({"slug": "x\0y"}, 400, "slug"),
        ({"instrument_key": "NSE_INDEX|Nothing"}, 404, "instrument_key"),
        ({"slug": "nifty", "instrument_key": "NSE_INDEX|Nifty 50"}, 400, "slug"),
        ({"delta_min": "-0.1"}, 400, "delta_min"),
        ({"delta_min": "0.6", "delta_max": "0.5"}, 400, "delta_min"),
        ({"delta_max": "1.01"}, 400, "delta_max"),
        ({"delta_max": "NaN"}, 400, "delta_max"),
        ({"delta_max": "half"}, 400, "delta_max"),
        ({"resolution": "2m"}, 400, "resolution"),
        ({"resolution": ["1m", "5m"]}, 400, "resolution"),
    ],
)
def test_impossible_parameter_is_named(
    nifty: PolledInstrument, parameters: dict[str, Any], status: int, field: str
) -> None:
    answer = get(**parameters)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert list(error["fields"]) == [field]
    assert error["request_id"]


def test_closed_day_names_the_session_days_around_it(nifty: PolledInstrument) -> None:
    problem = get(date="2026-11-22").json()["error"]["fields"]["date"]
    assert "2026-11-20 and 2026-11-23" in problem


def test_nothing_polled_at_all_is_not_found() -> None:
    assert get().status_code == 404
    assert Client().get("/api/market/instruments").json() == {"schema": 1, "instruments": []}


def test_instrument_without_a_listing_has_no_chain_yet() -> None:
    stored.session()
    stored.polled_instrument(listed_expiries=[])
    assert get().status_code == 404


def test_shared_caches_may_keep_it_and_clients_that_hold_it_get_nothing(
    nifty: PolledInstrument,
) -> None:
    stored.store(minutes=3)
    plain = get()
    assert plain["Cache-Control"] == "public, max-age=5, stale-if-error=120"
    assert plain["Vary"] == "Accept-Encoding"
    packed = Client().get("/market/data", headers={"accept-encoding": "br"})
    assert packed["Content-Encoding"] == "br"
    assert brotli.decompress(packed.content) == plain.content
    assert packed["ETag"] != plain["ETag"]
    held = Client().get("/market/data", headers={"if-none-match": plain["ETag"]})
    assert (held.status_code, held.content, held["ETag"]) == (304, b"", plain["ETag"])
    stored.store(minutes=4, missing={0, 1, 2})
    newer = Client().get("/market/data", headers={"if-none-match": plain["ETag"]})
    assert newer.status_code == 200
    assert newer.json()["gap"][3] is False


def test_only_a_named_day_that_nothing_can_change_is_kept_for_long(
    nifty: PolledInstrument, settings: Settings
) -> None:
    stored.store()
    settings.MARKET_CLOCK = datetime(2026, 11, 27, 11, 0, tzinfo=UTC).isoformat()
    assert get(date="2026-11-27")["Cache-Control"] == "public, max-age=5, stale-if-error=120"
    settings.MARKET_CLOCK = datetime(2026, 11, 27, 12, 0, tzinfo=UTC).isoformat()
    assert get(date="2026-11-27")["Cache-Control"] == "public, max-age=3600, immutable"
    assert get()["Cache-Control"] == "public, max-age=5, stale-if-error=120"


def test_chain_is_answered_as_the_poll_left_it(nifty: PolledInstrument) -> None:
    assert Client().get("/api/market/chain").status_code == 404
    polled_chain('{"schema":1,"strikes":[{"strike":25000.0}]}')
    for parameters in ({}, {"slug": "nifty"}, {"expiry": "2026-12-01"}):
        answer = Client().get("/api/market/chain", parameters)
        assert answer.content == b'{"schema":1,"strikes":[{"strike":25000.0}]}'
    again = Client().get("/api/market/chain", headers={"if-none-match": answer["ETag"]})
    assert again.status_code == 304
    polled_chain('{"schema":1,"strikes":[]}')
    assert Client().get("/api/market/chain").json()["strikes"] == []
    assert Client().get("/api/market/chain", {"resolution": "5m"}).status_code == 400
    assert Client().get("/api/market/chain", {"slug": "sensex"}).status_code == 404


def test_list_of_instruments_says_what_there_is(nifty: PolledInstrument) -> None:
    stored.store(minutes=3)
    stored.store(minutes=3, seed=2, expiry=date(2026, 11, 24), session_date=date(2026, 11, 24))
    stored.polled_instrument(slug="off", instrument_key="OFF", enabled=False)
    (row,) = Client().get("/api/market/instruments").json()["instruments"]
    assert (row["slug"], row["provider"], row["poll_seconds"]) == ("nifty", "upstox", 5)
    assert row["dates"] == ["2026-11-24", "2026-11-27"]
    assert row["expiries"] == [
        {"expiry": "2026-11-24", "polled": False},
        {"expiry": "2026-12-01", "polled": True},
    ]
    assert row["session"]["date"] == "2026-11-27"
    assert row["session"]["is_open"] is True
    assert row["as_of"] == "2026-11-27T09:17:55+05:30"
    assert Client().get("/api/market/instruments", {"slug": "nifty"}).status_code == 400


# --- Who may read it ------------------------------------------------------------------------------
@pytest.mark.parametrize("address", ADDRESSES)
def test_private_market_asks_who_is_there(
    nifty: PolledInstrument, settings: Settings, address: str
) -> None:
    settings.MARKET_DATA_PUBLIC = False
    polled_chain()
    refused = Client().get(address)
    assert refused.status_code == 401
    assert refused.json()["error"]["code"] == "not_authenticated"

    user = UserFactory()
    signed_in = Client()
    signed_in.force_login(user)
    answer = signed_in.get(address)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "private, no-cache"
    assert set(answer["Vary"].split(", ")) >= {"Cookie", "Authorization"}
    token = create_api_token(user=user, name="script", scope=ApiToken.Scope.READ).text
    bearer = {"authorization": f"Bearer {token}"}
    assert Client().get(address, headers=bearer).status_code == 200
    wrong = {"authorization": f"Bearer gd_{'x' * 43}"}
    assert Client().get(address, headers=wrong).status_code == 401


@pytest.mark.parametrize("address", ADDRESSES)
def test_public_market_asks_nobody_and_reads_no_session(
    nifty: PolledInstrument, address: str
) -> None:
    polled_chain()
    signed_in = Client()
    signed_in.force_login(UserFactory())
    for client in (Client(), signed_in):
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer["Vary"] == "Accept-Encoding"
        assert "Set-Cookie" not in answer


@pytest.mark.parametrize("address", ADDRESSES)
def test_market_is_only_read(nifty: PolledInstrument, address: str) -> None:
    for method in ("post", "put", "delete", "patch"):
        assert getattr(Client(), method)(address).status_code == 405
