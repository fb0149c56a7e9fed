"""The alerts' page without a script, and its parts for one."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from auth_tokens.models import User
from greeks.alerts.sending.channels import create_alert_channel
from greeks.models import AlertChannel, AlertDelivery, AlertEvent, AlertRule
from tests.factories import UserFactory
from tests.greeks.alerts.receiver import Receiver
from tests.greeks.alerts.rows import make_rule, minute

pytestmark = [pytest.mark.django_db, pytest.mark.database, pytest.mark.any_database]

PAGE = "/market/alerts"
TYPED = {
    "slug": "nifty",
    "series": "vega.total",
    "measure": "change",
    "comparison": "above",
    "threshold": "12.5",
    "band": "0",
    "cooldown_minutes": "5",
    "delta_min": "0.00",
    "delta_max": "1.00",
    "expiry": "",
}


@pytest.fixture
def client(trader: User, _at_ten_minutes: None) -> Client:
    client = Client()
    client.force_login(trader)
    return client


def test_rule_is_made_changed_paused_and_deleted_with_plain_forms(client: Client) -> None:
    made = client.post(f"{PAGE}/rules", TYPED, follow=True)
    assert "is watched from the next minute on" in made.content.decode()
    rule = AlertRule.objects.get()
    assert (rule.metric, rule.side, rule.delta_min, rule.expiry) == ("vega", "total", None, None)

    form = client.get(f"{PAGE}?edit={rule.pk}").content.decode()
    assert "Change an alert" in form
    changed = TYPED | {"series": "spot", "delta_max": "1.00", "threshold": "24000"}
    client.post(f"{PAGE}/rules/{rule.pk}", changed)
    rule.refresh_from_db()
    assert (rule.metric, rule.side, rule.threshold) == ("spot", "", 24000.0)

    for enabled in ("false", "true"):
        client.post(f"{PAGE}/rules/{rule.pk}/switch", {"enabled": enabled})
        rule.refresh_from_db()
        assert rule.enabled is (enabled == "true")
    client.post(f"{PAGE}/rules/{rule.pk}/switch", {"enabled": "false"})
    client.post(f"{PAGE}/rules/{rule.pk}", TYPED)
    rule.refresh_from_db()
    assert not rule.enabled

    gone = client.post(f"{PAGE}/rules/{rule.pk}/deletion", follow=True)
    assert "The alert is deleted." in gone.content.decode()
    assert not AlertRule.objects.exists()


def test_address_that_opens_nothing_is_said_on_the_page(client: Client) -> None:
    query = {"edit": "first", "instrument": "sensex", "series": "luck"}
    body = client.get(PAGE, query).content.decode()
    for name in query:
        assert f"{name}: Expected" in body
    assert "Not used" not in client.get("/market", {"instrument": "nifty"}).content.decode()


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("threshold", "high", "Enter a number."),
        ("threshold", "", "This field is required."),
        ("series", "spot.call", "Select a valid choice."),
        ("expiry", "2020-01-01", "Has expired."),
        ("delta_max", "0.50", "Expected more than delta_min."),
        ("cooldown_minutes", "9999", "Expected a whole number from 0 to 1440."),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_the_rest_is_kept(
    client: Client, name: str, value: str, problem: str
) -> None:
    answer = client.post(f"{PAGE}/rules", TYPED | {"delta_min": "0.50"} | {name: value})
    body = answer.content.decode()
    assert answer.status_code == 400
    assert problem in body
    assert 'aria-invalid="true"' in body
    assert "marked below" in body
    assert not AlertRule.objects.exists()


def test_events_show_what_was_raised_and_what_became_of_the_message(
    client: Client, trader: User, receiver: Receiver
) -> None:
    channel = create_alert_channel(user=trader, name="Hook", address=receiver.address)
    event = AlertEvent.objects.create(
        user=trader, minute=minute(1), title="<b>NIFTY</b> above", text="101"
    )
    AlertDelivery.objects.create(
        event=event, channel=channel, state="unknown", error="No answer.", due_at=minute(1)
    )
    body = client.get(PAGE).content.decode()
    assert "1 new" in body
    assert "&lt;b&gt;NIFTY&lt;/b&gt; above" in body
    assert "Hook: not known whether sent. No answer." in body
    client.post(f"{PAGE}/read")
    assert "1 new" not in client.get(PAGE).content.decode()


def test_channel_is_added_tested_and_deleted_with_plain_forms(
    client: Client, receiver: Receiver
) -> None:
    wrong = client.post(f"{PAGE}/channels", {"name": "Hook", "address": "ftp://canary-address"})
    assert wrong.status_code == 400
    assert "Expected an Apprise address" in wrong.content.decode()
    assert "canary-address" not in wrong.content.decode()
    assert client.post(f"{PAGE}/channels", {"name": "Hook"}).status_code == 400
    client.post(f"{PAGE}/channels", {"name": "Hook", "address": receiver.address})
    channel = AlertChannel.objects.get()
    tested = client.post(f"{PAGE}/channels/{channel.pk}/test", follow=True)
    assert "A test message is on its way" in tested.content.decode()
    assert AlertDelivery.objects.get().state == "waiting"
    client.post(f"{PAGE}/channels/{channel.pk}/deletion")
    assert not AlertChannel.objects.exists()


def test_parts_are_answered_alone_and_lead_back_to_the_panel(client: Client) -> None:
    parts = client.get(f"{PAGE}?panel=1", headers={"X-Parts": "events,rules,nothing"})
    body = parts.content.decode()
    assert body.count("<section") == 2
    assert "<html" not in body
    assert 'name="page" value="market"' in body
    assert "X-Parts" in parts["Vary"]
    made = client.post(f"{PAGE}/rules?panel=1", TYPED, headers={"X-Parts": "rules"}, follow=True)
    assert made.redirect_chain == [(f"{PAGE}?panel=1", 302)]
    assert "is watched from the next minute on" in made.content.decode()
    to_market = client.post(f"{PAGE}/read", {"page": "market"})
    assert to_market["Location"] == "/market#alerts-events"


@pytest.mark.parametrize("path", ["/", "/risk", "/market", PAGE, "/accounts/tokens"])
def test_every_page_leads_to_the_alerts_and_can_show_them(client: Client, path: str) -> None:
    page = client.get(path).content.decode()
    nav = page[page.index('aria-label="Pages"') : page.index("</nav>")]
    assert f'href="{PAGE}"' in nav
    for part in ('data-part="alert-bell"', 'data-part="toasts"', "js/alerts/everywhere"):
        assert part in page, part


def test_risk_monitor_shows_the_readers_own_newest_alerts(client: Client, trader: User) -> None:
    for title in ("Oldest", "Old", "New", "Newest"):
        AlertEvent.objects.create(user=trader, minute=minute(1), title=title, text="101")
    AlertEvent.objects.create(user=UserFactory.create(), minute=minute(1), title="Theirs", text="9")
    page = client.get("/").content.decode()
    shown = re.findall(r'<strong data-field="title">(\w+)</strong>', page)
    assert shown == ["Newest", "New", "Old"]
    assert "4 new" in page
    assert "Theirs" not in page


@pytest.mark.usefixtures("_at_ten_minutes")
@pytest.mark.parametrize("path", ["/market", "/accounts/login", "/nowhere"])
def test_page_of_nobody_carries_nothing_of_alerts(trader: User, path: str) -> None:
    AlertEvent.objects.create(user=trader, minute=minute(1), title="Private", text="101")
    page = Client().get(path).content.decode()
    for part in ("Private", "alert-bell", "toast", "js/alerts/everywhere", f'href="{PAGE}"'):
        assert part not in page, part


@pytest.mark.usefixtures("_at_ten_minutes")
def test_page_needs_a_log_in_and_the_market_says_so() -> None:
    assert Client().get(PAGE)["Location"].startswith("/accounts/login")
    assert Client().post(f"{PAGE}/rules", TYPED).status_code == 302
    assert "to be told when a number" in Client().get("/market").content.decode()


def test_queries_do_not_grow_with_what_is_shown(
    client: Client, trader: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for index in range(12):
        make_rule(trader)
        AlertEvent.objects.create(user=trader, minute=minute(index), title="x", text="y")
    with django_assert_max_num_queries(14):
        client.get(PAGE)
