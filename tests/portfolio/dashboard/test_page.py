"""The page of the dashboard: complete without script, part by part with it."""

from __future__ import annotations

import re
import threading
from datetime import date
from types import SimpleNamespace

import pytest
from django.test import Client

from auth_tokens.models import User
from config.core.clock import market_now
from greeks.instruments.names import contract_name
from portfolio.dashboard import page
from portfolio.dashboard.sections import SECTIONS, section_named
from tests.factories import OptionFactory, PositionFactory, UserFactory
from tests.portfolio.reading import synced_account

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

PAGE = "/dashboard"


def parts_of(client: Client, *names: str) -> str:
    response = client.get(PAGE, headers={"X-Parts": ",".join(names)})
    assert response.status_code == 200
    return response.content.decode()


def test_page_shows_every_section_and_part(trader: User, signed_in: Client) -> None:
    synced_account(trader)
    text = signed_in.get(PAGE).content.decode()
    shown = re.findall(r'id="dashboard-([a-z_]+)"', text)
    assert set(shown) == {*page.OF_THE_BOOK, *SECTIONS}
    # On a phone: what needs a decision first, the rest by its figure.
    assert shown[0] == "decisions"
    assert re.search(r'class="narrow-fold">\s*<summary>\s*1 position\s*</summary>', text)
    assert text.count('data-swap="') == len(shown)


def test_part_is_sent_alone(trader: User, signed_in: Client) -> None:
    account = synced_account(trader)
    text = parts_of(signed_in, "positions")
    assert re.findall(r'id="(dashboard-[a-z]+)"', text) == ["dashboard-positions"]
    assert contract_name(account.positions.get().symbol) in text


def test_expiring_option_and_assignment_risk_need_a_decision(
    trader: User, signed_in: Client
) -> None:
    account = synced_account(trader)
    today = market_now().date()
    option = OptionFactory(strike=650, expiry=date.fromordinal(today.toordinal() + 3))
    PositionFactory(account=account, instrument=option, price="50.01", underlying_price=600)
    text = parts_of(signed_in, "decisions")
    assert contract_name(option.symbol) in text
    assert "50.00 in the money with 0.01 of time value" in text


def test_exit_signal_names_its_contract_and_leads_to_its_trade(
    trader: User, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = synced_account(trader).positions.get()
    signals = [
        SimpleNamespace(
            id=number, position_id=held, signal_type="stop_loss", status="active",
            timestamp=market_now(),
        )
        for number, held in enumerate((str(row.pk), None))
    ]  # fmt: skip
    exits = section_named("exit_signals")
    monkeypatch.setattr(exits.fetch, lambda _, **__: signals)
    text = parts_of(signed_in, "exit_signals")
    links = re.findall(r'href="(/trades/[^"]*)"[^>]*>([^<]*)</a>', text)
    assert [name for _, name in links] == [contract_name(row.symbol)]
    assert str(row.pk) in links[0][0]
    assert "gone" in text


def test_section_that_fails_says_why_and_can_be_read_again(signed_in: Client) -> None:
    text = parts_of(signed_in, "gex")
    assert "No gamma exposure is computed yet" in text
    assert "Try again" in text


def test_account_of_somebody_else_is_not_found(trader: User, signed_in: Client) -> None:
    foreign = synced_account(UserFactory(), label="SECRETLABEL")
    assert signed_in.get(f"{PAGE}?account_id={foreign.pk}").status_code == 404
    assert "SECRETLABEL" not in parts_of(signed_in, "overnight", "positions")


def test_late_section_is_a_skeleton_that_script_asks_for(
    signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    monkeypatch.setattr("portfolio.dashboard.health.read_health", over.wait)
    monkeypatch.setattr(page, "FIRST_SECONDS", 0.2)
    try:
        text = signed_in.get(PAGE).content.decode()
    finally:
        over.set()
    head = re.search(r'<section[^>]*id="dashboard-health"[^>]*>', text)
    assert head is not None
    assert head[0].endswith("data-late>")
    assert "Reload the page to read it again." in text
