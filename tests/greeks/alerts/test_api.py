"""The alerts' API: checked input, everybody's own, each POST once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from auth_tokens.api_tokens.writing import create_api_token
from auth_tokens.models import ApiToken, AuditEvent, User
from greeks.alerts import rules as alert_rules
from greeks.alerts.sending import channels as alert_channels
from greeks.alerts.shapes import AlertEvents
from greeks.models import AlertChannel, AlertEvent, AlertRule
from tests.factories import UserFactory
from tests.greeks.alerts.receiver import Receiver
from tests.greeks.alerts.rows import EXPIRY, make_rule, minute, nifty

pytestmark = [pytest.mark.django_db, pytest.mark.database]

RULES = "/api/market/alerts"
RULE: dict[str, Any] = {
    "slug": "nifty",
    "metric": "vega",
    "side": "total",
    "measure": "change",
    "comparison": "above",
    "threshold": 12.5,
}


@pytest.fixture
def client(trader: User, _at_ten_minutes: None) -> Client:
    client = Client()
    client.force_login(trader)
    return client


def post(client: Client, path: str, body: Any, **headers: str) -> Any:
    return client.post(path, body, content_type="application/json", headers=headers or None)


def test_rule_is_kept_with_its_defaults_and_can_be_changed_and_deleted(client: Client) -> None:
    created = post(client, RULES, RULE)
    assert created.status_code == 201
    body = created.json()
    assert created["Location"] == f"{RULES}/{body['id']}"
    assert body["words"] == "Total vega, change in a minute above 12.50"
    assert (body["expiry"], body["band"], body["cooldown_minutes"]) == ("nearest", 0.0, 5)
    assert AlertRule.objects.get().evaluated_until == minute(9)

    changed = client.put(
        f"{RULES}/{body['id']}",
        RULE
        | {
            "expiry": EXPIRY.isoformat(),
            "delta_min": 0.2,
            "delta_max": 0.5,
            "comparison": "crosses",
            "band": 1,
            "cooldown_minutes": 0,
            "enabled": False,
        },
        content_type="application/json",
    )
    assert changed.status_code == 200
    assert client.get(f"{RULES}/{body['id']}").json() == changed.json()
    assert client.get(RULES).json() == {"rules": [changed.json()]}
    assert changed.json()["delta_max"] == 0.5
    assert changed["Cache-Control"] == "private, no-cache"

    assert client.delete(f"{RULES}/{body['id']}").status_code == 204
    assert client.get(RULES).json() == {"rules": []}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "other"),
        ("slug", None),
        ("metric", "rho"),
        ("side", "both"),
        ("measure", "jump"),
        ("comparison", "equals"),
        ("threshold", "12"),
        ("threshold", None),
        ("threshold", True),
        ("threshold", 1e300),
        ("band", -1),
        ("cooldown_minutes", 2000),
        ("cooldown_minutes", 1.5),
        ("expiry", "tomorrow"),
        ("expiry", "2020-01-01"),
        ("delta_min", 0.13),
        ("delta_min", 1.05),
        ("delta_max", 1.5),
        ("channels", [1]),
        ("channels", "1"),
        ("channels", [True]),
        ("enabled", "yes"),
        ("colour", "red"),
    ],
)
def test_impossible_value_is_refused_by_its_field(
    client: Client, field: str, value: object
) -> None:
    answer = post(client, RULES, RULE | {field: value})
    assert answer.status_code == 400
    named = answer.json()["error"]["fields"]
    assert set(named) == {field}
    assert not AlertRule.objects.exists()


def test_number_without_sides_takes_neither_side_nor_delta_range(client: Client) -> None:
    spot = RULE | {"metric": "spot"}
    assert set(post(client, RULES, spot).json()["error"]["fields"]) == {"side"}
    del spot["side"]
    with_range = post(client, RULES, spot | {"delta_min": 0.1})
    assert set(with_range.json()["error"]["fields"]) == {"delta_min"}
    assert post(client, RULES, spot).status_code == 201
    assert post(client, RULES, ["spot"]).status_code == 400


def test_post_that_is_sent_twice_keeps_one_rule(client: Client) -> None:
    answers = [post(client, RULES, RULE, **{"Idempotency-Key": "one"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert AlertRule.objects.count() == 1


def test_number_of_rules_is_bounded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_rules, "MOST_RULES", 2)
    codes = [post(client, RULES, RULE).status_code for _ in range(3)]
    assert codes == [201, 201, 409]


def test_changed_rule_begins_anew_without_looking_back(client: Client, trader: User) -> None:
    rule = make_rule(trader, state="above", evaluated_until=minute(9), last_event_minute=minute(8))
    client.put(f"{RULES}/{rule.pk}", RULE, content_type="application/json")
    rule.refresh_from_db()
    assert (rule.state, rule.last_event_minute, rule.evaluated_until) == ("", None, minute(9))


def test_others_rules_channels_and_events_do_not_exist(client: Client, receiver: Receiver) -> None:
    other = UserFactory.create()
    rule = make_rule(other)
    channel = alert_channels.create_alert_channel(
        user=other, name="theirs", address=receiver.address
    )
    AlertEvent.objects.create(user=other, rule=rule, minute=minute(1), title="Theirs", text="")
    for answer in (
        client.get(f"{RULES}/{rule.pk}"),
        client.put(f"{RULES}/{rule.pk}", RULE, content_type="application/json"),
        client.delete(f"{RULES}/{rule.pk}"),
        client.delete(f"{RULES}/channels/{channel.pk}"),
        post(client, f"{RULES}/channels/{channel.pk}/test", None),
        client.get(f"{RULES}/{2**63}"),
        client.post(f"/market/alerts/rules/{rule.pk}", {}),
        client.post(f"/market/alerts/rules/{rule.pk}/switch", {"enabled": "false"}),
        client.post(f"/market/alerts/rules/{rule.pk}/deletion"),
        client.post(f"/market/alerts/channels/{channel.pk}/test"),
        client.post(f"/market/alerts/channels/{channel.pk}/deletion"),
        client.get(f"/market/alerts?edit={rule.pk}"),
    ):
        assert answer.status_code == 404
    assert set(
        post(client, RULES, RULE | {"channels": [channel.pk]}).json()["error"]["fields"]
    ) == {"channels"}
    events = client.get(f"{RULES}/events").json()
    assert events == {"version": 0, "unread": 0, "events": []}
    assert client.get(f"{RULES}/channels").json() == {"channels": []}
    post(client, f"{RULES}/events/read", None)
    assert AlertEvent.objects.get().read_at is None
    rule.refresh_from_db()
    assert rule.enabled


def test_strangers_and_tokens_that_only_read_cannot_write(trader: User, client: Client) -> None:
    assert Client().get(RULES).status_code == 401
    reading = create_api_token(user=trader, name="reader", scope=ApiToken.Scope.READ)
    headers = {"Authorization": f"Bearer {reading.text}"}
    assert Client().get(RULES, headers=headers).status_code == 200
    assert post(Client(), RULES, RULE, **headers).status_code == 403


def test_metrics_name_what_can_be_watched(client: Client) -> None:
    metrics = {each["name"]: each for each in client.get(f"{RULES}/metrics").json()["metrics"]}
    assert set(metrics) >= {
        "delta", "gamma", "theta", "vega", "spot", "pcr", "atm_implied_volatility", "max_pain",
        "open_interest",
    }  # fmt: skip
    assert metrics["vega"]["sides"] == ["call", "put", "total"]
    assert metrics["vega"]["takes_delta_range"] is True
    assert metrics["spot"]["sides"] == []


def test_events_are_listed_newest_first_and_read_together(client: Client, trader: User) -> None:
    for index in range(3):
        AlertEvent.objects.create(user=trader, minute=minute(index), title=f"{index}", text="")
    body = client.get(f"{RULES}/events").json()
    msgspec.convert(body, AlertEvents)
    assert [event["title"] for event in body["events"]] == ["2", "1", "0"]
    assert (body["unread"], body["version"]) == (3, body["events"][0]["id"])
    assert post(client, f"{RULES}/events/read", None).json() == {"read": 3}
    assert client.get(f"{RULES}/events").json()["unread"] == 0


# --- Channels -----------------------------------------------------------------------------------
def test_channel_is_kept_without_its_address_being_shown_anywhere(
    client: Client, trader: User, receiver: Receiver
) -> None:
    created = post(client, f"{RULES}/channels", {"name": "My hook", "address": receiver.address})
    assert created.status_code == 201
    assert created.json()["service"] == "Webhook"
    channel = AlertChannel.objects.get()
    shown = b"".join(
        client.get(path).content
        for path in (f"{RULES}/channels", "/market/alerts", "/api/schema", RULES)
    )
    assert b"My hook" in shown
    assert b"canary-of-the-channel" not in shown + created.content
    assert "canary-of-the-channel" not in repr(channel.__dict__)
    (event,) = AuditEvent.objects.filter(event="alert_channel.created")
    assert "canary" not in str(event.detail)
    assert client.delete(f"{RULES}/channels/{channel.pk}").status_code == 204


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"name": "", "address": ""}, {"name", "address"}),
        ({"name": "x" * 49, "address": "json://127.0.0.1"}, {"name"}),
        ({"name": "hook", "address": "ftp://127.0.0.1"}, {"address"}),
        ({"name": "hook", "address": 5}, {"address"}),
        ({"name": "hook", "address": "json://127.0.0.1", "user": 1}, {"user"}),
        ([], {"name"}),
    ],
)
def test_impossible_channel_is_refused_by_its_fields(
    client: Client, receiver: Receiver, body: Any, fields: set[str]
) -> None:
    answer = post(client, f"{RULES}/channels", body)
    assert answer.status_code == 400
    assert set(answer.json()["error"]["fields"]) == fields


def test_channels_are_few_and_each_has_a_name_of_its_own(
    client: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_channels, "MOST_CHANNELS", 2)
    codes = [
        post(client, f"{RULES}/channels", {"name": name, "address": receiver.address}).status_code
        for name in ("a", "a", "b", "c")
    ]
    assert codes == [201, 409, 201, 409]


def test_test_messages_are_bounded(
    client: Client, trader: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_channels, "MOST_TESTS", 1)
    channel = alert_channels.create_alert_channel(
        user=trader, name="hook", address=receiver.address
    )
    path = f"{RULES}/channels/{channel.pk}/test"
    assert [post(client, path, None).status_code for _ in range(2)] == [202, 429]


def test_without_a_polled_instrument_nothing_can_be_watched(
    client: Client, settings: Settings
) -> None:
    nifty().delete()
    assert set(post(client, RULES, RULE).json()["error"]["fields"]) == {"slug"}
