"""The webhook of signals: what a source sends becomes a row on the page, once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from config.core.clock import market_now
from greeks.models import Instrument
from tests.factories import AccountFactory, UserFactory
from trades.models import ShadowPosition, TradeSignal
from trades.trade_signals.contracts import belongs
from trades.trade_signals.dashboard.sections import queued_signals
from trades.trade_signals.sources import IssuedSource, create_source, renew_token

pytestmark = pytest.mark.django_db
PUT = "SPY   301220P00600000"
SIGNAL: dict[str, Any] = {"symbol": "SPY", "direction": "long"}


@pytest.fixture
def issued() -> IssuedSource:
    return create_source(user=UserFactory.create(), name="Vega letters")


def send(issued: IssuedSource, body: Any, **headers: str) -> Any:
    return Client().post(
        "/api/signals",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {issued.text}", **headers},
    )


def test_sent_signal_is_on_the_page_with_its_legs(issued: IssuedSource, client: Client) -> None:
    ends = market_now() + timedelta(hours=2)
    legs = [{"symbol": PUT, "quantity": -1}, {"symbol": "SPY301220P00580000", "quantity": 1}]
    sent = SIGNAL | {"legs": legs, "quantity": 2, "expires_at": ends.isoformat(), "confidence": 0.7}
    answer = send(issued, sent)
    assert answer.status_code == 201
    body = answer.json()
    assert body | {"id": "", "created_at": ""} == {
        "id": "",
        "source": "Vega letters",
        "symbol": "SPY",
        "direction": "long",
        "status": "queued",
        "created_at": "",
        "expires_at": body["expires_at"],
        "confidence": 0.7,
    }
    signal = TradeSignal.objects.get(pk=body["id"])
    assert signal.expires_at == ends
    assert list(signal.changes.values_list("before", "after")) == [("", "queued")]
    held = {leg.instrument.symbol: leg.quantity for leg in ShadowPosition.objects.all()}
    assert held == {PUT: Decimal(-2), "SPY   301220P00580000": Decimal(2)}
    client.force_login(issued.source.owner)
    page = client.get("/trades/signals?symbol=SPY&status=queued")
    assert [row.signal for row in page.context["rows"]] == [signal]
    assert client.get(f"/trades/signals/{signal.pk}").context["row"].legs
    client.force_login(UserFactory.create())
    assert not client.get("/trades/signals").context["rows"]
    assert client.get(f"/trades/signals/{signal.pk}").status_code == 404


def test_key_sent_twice_is_one_signal_and_another_body_conflicts(issued: IssuedSource) -> None:
    first = send(issued, SIGNAL, **{"Idempotency-Key": "a1"})
    again = send(issued, SIGNAL, **{"Idempotency-Key": "a1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"
    other = send(issued, SIGNAL | {"direction": "short"}, **{"Idempotency-Key": "a1"})
    assert other.status_code == 409
    neighbour = create_source(user=issued.source.owner, name="Other")
    assert send(neighbour, SIGNAL, **{"Idempotency-Key": "a1"}).status_code == 201
    assert TradeSignal.objects.count() == 2


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"symbol": ""}, "symbol"),
        ({"symbol": "a\nb"}, "symbol"),
        ({"symbol": "/ESZ6"}, "symbol"),
        ({"direction": "up"}, "direction"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": 1e-12}, "quantity"),
        ({"quantity": "2"}, "quantity"),
        ({"quantity": 1e300}, "quantity"),
        ({"confidence": 1.5}, "confidence"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2040-01-01T00:00:00"}, "expires_at"),
        ({"account_id": "another's"}, "account_id"),
        ({"legs": [{"symbol": PUT}]}, "legs.0.quantity"),
        ({"legs": [{"symbol": PUT, "quantity": 0}]}, "legs.0.quantity"),
        ({"legs": [{"symbol": PUT, "quantity": 1}] * 2}, "legs.1.symbol"),
        ({"legs": [{"symbol": "SPY   200117P00600000", "quantity": 1}]}, "legs.0.symbol"),
        ({"legs": [{"symbol": "A", "quantity": 1}, {"symbol": "B", "quantity": 1}]}, "legs"),
        ({"symbol": "QQQ", "legs": [{"symbol": PUT, "quantity": 1}]}, "symbol"),
        ({"symbol": "/SPY", "legs": [{"symbol": PUT, "quantity": 1}]}, "symbol"),
        ({"note": "x" * 501}, "note"),
        ({"note": "\0"}, "note"),
        ({"size": 1}, "size"),
    ],
)  # fmt: skip
def test_impossible_value_is_named_and_nothing_is_recorded(
    issued: IssuedSource, changed: dict[str, Any], field: str
) -> None:
    answer = send(issued, SIGNAL | changed)
    assert answer.status_code in (400, 404)
    assert field in answer.json()["error"]["fields"]
    assert not TradeSignal.objects.exists()


@pytest.mark.parametrize("body", ["[]", "null", '"x"', "{", "[" * 9000, '{"note":"' + "x" * 20000])
def test_body_that_is_no_signal_is_refused(issued: IssuedSource, body: str) -> None:
    assert send(issued, body).status_code == 400
    assert not TradeSignal.objects.exists()


def test_wrong_old_or_disabled_token_learns_nothing(issued: IssuedSource) -> None:
    renewed = renew_token(user=issued.source.owner, source_id=issued.source.pk)
    texts = [issued.text, "gs_" + "a" * 43, "", "x", "gd_" + "a" * 43]
    answers = [
        Client().post("/api/signals", SIGNAL, headers={"Authorization": f"Bearer {text}"})
        for text in texts
    ]
    assert {answer.status_code for answer in answers} == {401}
    said = {answer.json()["error"]["message"] for answer in answers}
    assert len(said) == 1
    assert send(renewed, SIGNAL).status_code == 201
    renewed.source.enabled = False
    renewed.source.save()
    assert send(renewed, SIGNAL).status_code == 401
    # A session is no source.
    browser = Client()
    browser.force_login(issued.source.owner)
    assert browser.post("/api/signals", SIGNAL, content_type="application/json").status_code == 401


def test_signal_by_hand_names_what_is_wrong_and_keeps_what_was_typed(client: Client) -> None:
    account = AccountFactory.create()
    client.force_login(account.owner)
    typed = {"symbol": "spy?", "direction": "short", "quantity": "3", "legs": "", "note": "Late."}
    refused = client.post("/trades/signals/enter", typed)
    assert refused.status_code == 400
    assert refused.context["typed"]["note"] == "Late."
    assert "symbol" in refused.context["problem"]
    typed |= {"symbol": "SPY", "legs": f"-1 {PUT}\n", "account_id": account.pk}
    answer = client.post("/trades/signals/enter", typed)
    signal = TradeSignal.objects.get()
    assert answer["Location"] == f"/trades/signals/{signal.pk}"
    assert (signal.source.name, signal.account, signal.quantity) == ("By hand", account, 3)
    for action, status in (
        ("take_up", "active"),
        ("cancel", "cancelled"),
        ("take_up", "cancelled"),
    ):
        client.post(f"/trades/signals/{signal.pk}/change", {"action": action})
        signal.refresh_from_db()
        assert signal.status == status
    steps = signal.changes.values_list("before", "after", "user")
    owner = account.owner.pk
    assert list(steps) == [
        ("", "queued", owner), ("queued", "active", owner), ("active", "cancelled", owner),
    ]  # fmt: skip


def test_one_contract_written_in_several_ways_is_one_instrument(issued: IssuedSource) -> None:
    for symbol in ("BRK.B", "brk b", "BRK/B", "SPX", PUT, PUT.replace(" ", ""), PUT.lower()):
        assert send(issued, SIGNAL | {"symbol": symbol}).status_code in (201, 400), symbol
    rows = ShadowPosition.objects.values_list("instrument__symbol", "instrument__kind")
    assert set(rows) == {("BRK.B", "stock"), ("SPX", "index"), (PUT, "option")}


def test_signal_past_its_time_is_neither_queued_nor_taken_up(
    issued: IssuedSource, client: Client
) -> None:
    owner = issued.source.owner
    client.force_login(owner)
    ends = market_now() + timedelta(minutes=5)
    signal_id = send(issued, SIGNAL | {"expires_at": ends.isoformat()}).json()["id"]
    assert len(queued_signals(owner)) == 1
    with time_machine.travel(ends, tick=False):
        assert queued_signals(owner) == []
        client.post(f"/trades/signals/{signal_id}/change", {"action": "take_up"})
    assert TradeSignal.objects.get().status == "queued"
    for query in ("end=9999-12-31", "start=0001-01-01", "source=x", "status=new", "taken=maybe"):
        assert client.get(f"/trades/signals?{query}").status_code == 400, query


@pytest.mark.parametrize(
    ("leg", "own", "others"),
    [
        (("option", "SPXW  301220P06000000", "SPX", "SPXW"), ("SPX", "SPXW", "$SPX"), ("SPY",)),
        (("option", "BRKB  301220P00500000", "BRKB", "BRKB"), ("BRK.B", "BRK/B"), ("BRK.A",)),
        (("option", "NVDA1 301220C00100000", "NVDA", "NVDA1"), ("NVDA", "NVDA1"), ("NVD",)),
        (("stock", "ES", "ES", ""), ("ES",), ("/ES",)),
        (("future", "/ESZ6", "/ES", "/ES"), ("/ES", "ES", "/ESZ6"), ("/MES", "/ESH7")),
        (("future_option", "EW4Z6 C6000", "/ESZ6", "EW4Z6"), ("/ES", "/ESZ6", "EW4Z6"), ("SPX",)),
    ],
)  # fmt: skip
def test_symbol_of_a_signal_is_what_its_legs_are_of(
    leg: tuple[str, str, str, str], own: tuple[str, ...], others: tuple[str, ...]
) -> None:
    kind, symbol, underlying, root = leg
    legs = [Instrument(kind=kind, symbol=symbol, underlying=underlying, root=root)]
    assert [each for each in (*own, *others) if belongs(each, legs)] == list(own)
