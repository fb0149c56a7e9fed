"""The market's page as the server renders it: public, whole, and forgiving of its address."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from config.core.redis.client import key, redis_client
from config.core.web import formatting
from greeks.models import PolledInstrument
from tests.factories import UserFactory
from tests.greeks.market import stored

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def contract(**changes: Any) -> dict[str, Any]:
    return {
        "key": "NSE_FO|1",
        "bid": 99.0,
        "ask": 101.0,
        "last": 100.0,
        "iv": 0.125,
        "delta": 0.5,
        "gamma": 0.0012,
        "theta": -8.5,
        "vega": 11.25,
        "greeks_source": "upstox",
        "volume": 1500.0,
        "open_interest": 3000.0,
        "previous_open_interest": 2500.0,
        **changes,
    }


def keep_chain() -> None:
    strikes = [
        {"strike": 25_950.0, "call": contract(open_interest=750.0), "put": contract(delta=-0.4)},
        {"strike": 26_000.0, "call": contract(), "put": contract(greeks_source="model")},
        {"strike": 26_050.0, "call": contract(iv=None, open_interest=None), "put": None},
    ]
    body = {
        "schema": 1,
        "as_of": "2026-11-27T10:29:55+05:30",
        "spot": 26_010.0,
        "counts_contracts": False,
        "strikes": strikes,
    }
    redis_client().set(key("chain_latest", "nifty", stored.EXPIRY.isoformat()), json.dumps(body))


def page_of(client: Client, query: str = "") -> str:
    response = client.get(f"/market{query}")
    assert response.status_code == 200
    return response.content.decode()


def test_page_of_a_stranger_holds_the_last_minute_of_every_greek(
    client: Client, nifty: PolledInstrument
) -> None:
    last = stored.store()[-1]
    text = page_of(client)

    for value in (last.total_vega_close, last.call_theta_close, last.put_delta_close):  # type: ignore[attr-defined]
        digits = 3 if value == last.put_delta_close else 2  # type: ignore[attr-defined]
        assert str(formatting.number(value, digits)) in text
    assert "10:28" in text
    assert str(formatting.number(last.spot)) in text
    assert "NSE 09:15–15:30 IST" in text
    assert 'data-part="simulated">' in text


def test_page_without_any_instrument_says_what_to_do(client: Client) -> None:
    PolledInstrument.objects.all().delete()
    assert "No instrument is polled yet" in page_of(client)


def test_page_before_the_first_minute_shows_dashes(client: Client, nifty: PolledInstrument) -> None:
    text = page_of(client)
    assert "no value" in text
    assert "No chain has been polled yet" in text


def test_page_is_only_for_people_where_the_data_are_not_public(
    client: Client, nifty: PolledInstrument, settings: Settings
) -> None:
    settings.MARKET_DATA_PUBLIC = False
    response = client.get("/market?side=put")
    assert response.status_code == 302
    assert response["Location"] == "/accounts/login?next=/market%3Fside%3Dput"

    client.force_login(UserFactory())
    assert "Vega Market Edge" in page_of(client)


def test_page_is_compressed_for_strangers_and_users(
    client: Client, nifty: PolledInstrument
) -> None:
    def squeezed() -> str:
        answer = client.get("/market", headers={"accept-encoding": "gzip"})
        assert answer["Content-Encoding"] == "gzip"
        return gzip.decompress(answer.content).decode()

    assert "Vega Market Edge" in squeezed()
    client.force_login(UserFactory())
    assert "Vega Market Edge" in squeezed()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?date=2026-11-22", "no session then"),
        ("?date=2026-11-30", "In the future"),
        ("?date=tomorrow", "date"),
        ("?delta_min=0.9&delta_max=0.1", "delta_min"),
        ("?resolution=7m", "resolution"),
        ("?instrument=sensex", "instrument: It is not polled"),
        ("?date=9999-12-31", "date: Expected a year"),
        ("?at=25:61", "at: Expected HH:MM"),
        ("?expiry=soon", "expiry: Expected YYYY-MM-DD"),
        ("?expiry=2031-01-01", "expiry: Neither polled nor stored"),
        # Another instrument was chosen beside the last one's expiry.
        ("?instrument=nifty&expiry=2031-01-01", ""),
        ("?side=middle&span=wide&measure=luck", "measure: Expected one of"),
        # A drag chooses any number of minutes.
        ("?span=45&end=12:30", ""),
    ],
)
def test_impossible_choice_is_said_and_the_default_shown(
    client: Client, nifty: PolledInstrument, query: str, said: str
) -> None:
    last = stored.store()[-1]
    text = page_of(client, query)
    assert str(formatting.number(last.total_vega_close, 2)) in text  # type: ignore[attr-defined]
    notices = text.count("notice-warning")
    assert notices == (1 if said else 0)
    assert said in text


def test_chain_marks_the_money_the_model_and_the_largest_bar(
    client: Client, nifty: PolledInstrument
) -> None:
    stored.store()
    keep_chain()
    text = page_of(client, "?measure=open_interest")

    rows = text.split("<tr data-strike=")[1:]
    assert [row.split('"')[1] for row in rows] == ["25950", "26000", "26050", ""]
    assert 'data-inside="call" data-atm' in rows[1]
    assert "data-atm" not in rows[0] + rows[2]
    assert 'data-inside="put"' in rows[2]
    assert 'class="c-open_interest call-side" data-level="3">750<' in rows[0]
    assert 'class="c-open_interest call-side" data-level="10">3.00k<' in rows[1]
    assert 'class="c-vega put-side" data-by="model">11.25<' in rows[1]
    assert 'class="c-open_interest_change call-side" data-sign="up">+500<' in rows[1]
    assert 'class="c-iv call-side"><span class="missing"' in rows[2]
    assert "3 strikes, as of 10:29:55 IST" in text


def test_gap_is_named_in_the_minutes_for_readers_without_script(
    client: Client, nifty: PolledInstrument
) -> None:
    stored.store(empty=[72])
    text = page_of(client)
    minutes = text.split('aria-label="Minutes of the day"')[1]
    assert '<th scope="row">10:27 gap</th>' in minutes
    assert minutes.count('<th scope="row">') == 30


def test_page_is_read_in_few_queries(client: Client, nifty: PolledInstrument) -> None:
    stored.store()
    keep_chain()
    page_of(client)
    with CaptureQueriesContext(connection) as captured:
        page_of(client)
    # The calendar is kept outside of tests' transactions.
    asked = [one["sql"] for one in captured if "exchangesession" not in one["sql"]]
    assert len(asked) == 4, asked


def test_day_whose_announced_hours_nobody_entered_says_so(
    client: Client, nifty: PolledInstrument, settings: Settings
) -> None:
    assert "nobody has entered its hours" not in page_of(client)
    # Sunday of Diwali.
    settings.MARKET_CLOCK = "2026-11-08T12:00:00+05:30"
    assert "Muhurat trading: a session is held today" in page_of(client)


def test_change_is_named_by_what_it_is_made_over(client: Client, nifty: PolledInstrument) -> None:
    stored.store()
    heading = '<th scope="col" class="end step" data-part="step">{}</th>'
    assert page_of(client).count(heading.format("minute")) == 4
    assert page_of(client, "?resolution=5m").count(heading.format("5 minutes")) == 4
