"""What a careless or hostile source may send: a named refusal or one signal, never a fault."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connections
from django.test import Client

from config.core.clock import market_now
from greeks.models import Instrument
from tests.factories import UserFactory
from tests.trades.trade_signals.test_webhook import PUT, SIGNAL, send
from trades.models import ShadowPosition, TradeSignal
from trades.trade_signals.moving import expire_signals
from trades.trade_signals.sources import IssuedSource, create_source

pytestmark = pytest.mark.django_db
LEGS = f'[{{"symbol":"{PUT}","quantity":1}}]'


@pytest.fixture
def issued() -> IssuedSource:
    return create_source(user=UserFactory.create(), name="Vega letters")


def raw(**fields: str) -> str:
    """Return a body whose values are JSON as it stands."""
    values = {"symbol": '"SPY"', "direction": '"long"'} | fields
    return "{" + ",".join(f'"{name}":{value}' for name, value in values.items()) + "}"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (raw(quantity="NaN"), None),
        (raw(quantity="Infinity"), None),
        (raw(quantity="1e999"), "quantity"),
        (raw(quantity="-1e999"), "quantity"),
        (raw(quantity="1" + "0" * 400), "quantity"),
        (raw(quantity='"1"'), "quantity"),
        (raw(quantity="true"), "quantity"),
        (raw(quantity="[1]"), "quantity"),
        (raw(quantity="1e-320"), "quantity"),
        (raw(quantity="-1"), "quantity"),
        (raw(confidence="1e999"), "confidence"),
        (raw(confidence='"0.5"'), "confidence"),
        (raw(legs=f'[{{"symbol":"{PUT}","quantity":1e999}}]'), "legs.0.quantity"),
        (raw(legs=f'[{{"symbol":"{PUT}","quantity":"1"}}]'), "legs.0.quantity"),
        (raw(legs=f'[{{"symbol":"{PUT}","quantity":null}}]'), "legs.0.quantity"),
        (raw(legs='[{"quantity":1}]'), "legs.0.symbol"),
        (raw(legs="[null]"), "legs.0"),
        (raw(legs="null"), "legs"),
        (raw(legs="[" + ",".join(['{"symbol":"A","quantity":1}'] * 13) + "]"), "legs"),
        (raw(legs='[{"symbol":"NOSUCHTHING123","quantity":1}]'), "legs.0.symbol"),
        (raw(legs='[{"symbol":"SPY   261332P00600000","quantity":1}]'), "legs.0.symbol"),
        (raw(legs=f'[{{"symbol":"{PUT}","quantity":1e-6}}]', quantity="1e-6"), "legs.0.quantity"),
        (raw(symbol='"\\uff33\\uff30\\uff39"'), "symbol"),
        (raw(symbol='"\\u00df"'), "symbol"),
        (raw(symbol='"\\ud800"'), "symbol"),
        (raw(symbol='"\\u0000"'), "symbol"),
        (raw(symbol='"   "'), "symbol"),
        (raw(symbol='"' + "\\u00df" * 64 + '"', legs=LEGS), "symbol"),
        (raw(symbol='"   "', legs=LEGS), "symbol"),
        (raw(account_id='"\\ud800"'), "account_id"),
        (raw(account_id='"\\u0000"'), "account_id"),
        (raw(account_id="7"), "account_id"),
        (raw(order_reference='"\\ud800"'), "order_reference"),
        (raw(note='"\\udfff"'), "note"),
        (raw(expires_at='"9999-12-31T23:59:59-14:00"'), "expires_at"),
        (raw(expires_at='"0001-01-01T00:00:00+14:00"'), "expires_at"),
        (raw(expires_at="4102444800"), "expires_at"),
        (raw(expires_at='"tomorrow"'), "expires_at"),
        (raw(expires_at='"2040-02-30T00:00:00Z"'), "expires_at"),
    ],
)  # fmt: skip
def test_value_that_cannot_be_is_refused_by_name(
    issued: IssuedSource, body: str, field: str | None
) -> None:
    answer = send(issued, body)
    assert answer.status_code in (400, 404), answer.content
    assert field is None or field in answer.json()["error"]["fields"], answer.json()
    assert not TradeSignal.objects.exists()


@pytest.mark.parametrize("size", [17_000, 3_000_000])
def test_huge_body_is_refused(issued: IssuedSource, size: int) -> None:
    answer = send(issued, json.dumps(SIGNAL | {"note": "x" * size}))
    assert answer.status_code in (400, 413)
    assert not TradeSignal.objects.exists()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("symbol=SPY&direction=long", "application/x-www-form-urlencoded"),
        (b"\xff\xfe{\x00}\x00", "application/json"),
        (b"", "application/json"),
        (json.dumps(SIGNAL), "text/plain"),
    ],
)
def test_body_of_another_kind_is_refused(issued: IssuedSource, content: Any, kind: str) -> None:
    answer = Client().post(
        "/api/signals", content, content_type=kind,
        headers={"Authorization": f"Bearer {issued.text}"},
    )  # fmt: skip
    assert answer.status_code in (400, 415)
    assert not TradeSignal.objects.exists()


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 129, "é", "a\tb"])
def test_key_that_is_none_is_refused(issued: IssuedSource, key: str) -> None:
    answer = send(issued, SIGNAL, **{"Idempotency-Key": key})
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["error"]["fields"]
    assert not TradeSignal.objects.exists()


def test_replay_after_the_expiry_gives_the_signal_as_it_is_now(issued: IssuedSource) -> None:
    ends = market_now() + timedelta(minutes=5)
    sent = SIGNAL | {"expires_at": ends.isoformat()}
    first = send(issued, sent, **{"Idempotency-Key": "k"}).json()
    with time_machine.travel(ends + timedelta(hours=1), tick=False):
        expire_signals()
        again = send(issued, sent, **{"Idempotency-Key": "k"})
        assert (again.status_code, again["Idempotency-Replayed"]) == (200, "true")
        assert again.json() == first | {"status": "expired"}
        # Under a new key it is a new signal, and too late.
        late = send(issued, sent, **{"Idempotency-Key": "k2"})
        assert (late.status_code, list(late.json()["error"]["fields"])) == (400, ["expires_at"])
    assert TradeSignal.objects.count() == 1


def test_refused_body_does_not_use_up_its_key(issued: IssuedSource) -> None:
    key = {"Idempotency-Key": "k"}
    assert send(issued, SIGNAL | {"quantity": -1}, **key).status_code == 400
    assert send(issued, SIGNAL, **key).status_code == 201


@pytest.mark.parametrize(
    ("first", "again", "code"),
    [
        ('{"symbol":"SPY","direction":"long"}', '{ "direction": "long",\n "symbol": "SPY" }', 200),
        (raw(symbol='" spy"'), raw(quantity="1.0", note='" "', legs="[]", expires_at="null"), 200),
        (raw(legs=LEGS, quantity="2"), raw(legs=LEGS.replace(" ", ""), quantity="2e0"), 200),
        (raw(symbol='"spy301220p00600000"'), raw(symbol=f'"{PUT}"'), 200),
        (
            raw(expires_at='"2040-01-01T05:00:00Z"'),
            raw(expires_at='"2040-01-01T00:00:00-05:00"'),
            200,
        ),
        (raw(), raw(quantity="2"), 409),
        (raw(), raw(direction='"short"'), 409),
        (raw(), raw(legs=LEGS), 409),
        (raw(), raw(symbol='"QQQ"'), 409),
        (raw(), raw(expires_at='"2040-01-01T00:00:00Z"'), 409),
        (raw(), raw(confidence="0"), 409),
        (raw(), raw(order_reference='"a"'), 409),
        (raw(legs=LEGS), raw(legs=LEGS.replace("1}", "-1}")), 409),
    ],
)  # fmt: skip
def test_key_is_for_what_is_stored_however_it_is_written(
    issued: IssuedSource, first: str, again: str, code: int
) -> None:
    key = {"Idempotency-Key": "k"}
    assert send(issued, first, **key).status_code == 201
    repeated = send(issued, again, **key)
    assert repeated.status_code == code
    assert ("Idempotency-Replayed" in repeated) == (code == 200)
    assert TradeSignal.objects.count() == 1


def test_token_acts_for_its_own_owner_only(issued: IssuedSource) -> None:
    other = create_source(user=UserFactory.create(), name="Vega letters")
    key = {"Idempotency-Key": "k"}
    first, second = send(issued, SIGNAL, **key), send(other, SIGNAL, **key)
    assert (first.status_code, second.status_code) == (201, 201)
    owners = set(TradeSignal.objects.values_list("source__owner", flat=True))
    assert owners == {issued.source.owner_id, other.source.owner_id}


def test_failure_halfway_leaves_no_signal(
    issued: IssuedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed here")

    key = {"Idempotency-Key": "k"}
    with monkeypatch.context() as patch:
        patch.setattr(ShadowPosition.objects, "bulk_create", fail)
        with pytest.raises(RuntimeError):
            send(issued, SIGNAL, **key)
    assert not TradeSignal.objects.exists()
    assert send(issued, SIGNAL, **key).status_code == 201
    assert Instrument.objects.filter(symbol="SPY").count() == 1


@pytest.mark.django_db(transaction=True)
def test_same_key_at_once_is_one_signal(issued: IssuedSource) -> None:
    together = threading.Barrier(4)

    def ask(_number: int) -> Any:
        try:
            together.wait(60)
            return send(issued, SIGNAL, **{"Idempotency-Key": "k"})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(ask, range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (TradeSignal.objects.count(), ShadowPosition.objects.count()) == (1, 1)
