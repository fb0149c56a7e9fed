"""Named scenarios on the page of risk: kept, run, changed and deleted."""

from __future__ import annotations

import pytest
from django.test import Client

from auth_tokens.models import User
from portfolio.models import Scenario
from portfolio.risk.what_if.forms import ShiftForm
from tests.factories import UserFactory
from tests.portfolio.risk.pages import book, page_of

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
KEPT = {
    "name": "Crash",
    "days": "3",
    "shift-TOTAL_FORMS": "2",
    "shift-INITIAL_FORMS": "1",
    "shift-0-underlying": "*",
    "shift-0-spot": "-20",
    "shift-0-vol": "15",
}


def test_scenario_is_kept_run_changed_and_deleted(trader: User, signed_in: Client) -> None:
    book(trader)
    kept = signed_in.post("/risk/scenarios?benchmark=QQQ", KEPT)
    assert kept.status_code == 302
    scenario = Scenario.objects.get(owner=trader)
    assert scenario.shifts == [{"underlying": "*", "spot": -20.0, "vol": 15.0}]
    assert kept.headers["Location"] == f"/risk?benchmark=QQQ&scenario={scenario.pk}#risk-saved"

    ran = signed_in.get("/risk", {"scenario": scenario.pk}, headers={"X-Parts": "ran"})
    assert "\u2212" in ran.content.decode()
    assert ran.content.decode().count('data-row="ran-') == 2

    form = signed_in.get("/risk", {"edit": scenario.pk}, headers={"X-Parts": "saved"})
    assert 'value="-20.0"' in form.content.decode()
    changed = KEPT | {
        "name": "Gap",
        "shift-1-underlying": "spy",
        "shift-1-spot": "5",
        "shift-TOTAL_FORMS": "2",
    }
    assert signed_in.post(f"/risk/scenarios/{scenario.pk}", changed).status_code == 302
    scenario.refresh_from_db()
    assert scenario.name == "Gap"
    assert [shift["underlying"] for shift in scenario.shifts] == ["*", "SPY"]

    assert signed_in.post(f"/risk/scenarios/{scenario.pk}/deletion").status_code == 302
    assert not Scenario.objects.exists()


def test_scenario_that_was_run_stays_until_it_is_closed_or_deleted(
    trader: User, signed_in: Client
) -> None:
    book(trader)
    signed_in.post("/risk/scenarios", KEPT, follow=True)
    for query in ({}, {"day": "7"}, {"spot": "-10,10"}, {"benchmark": "QQQ"}):
        assert 'data-row="ran-' in page_of(signed_in, **query), query
    assert 'data-row="ran-' not in page_of(signed_in, scenario="none")
    assert 'data-row="ran-' not in page_of(signed_in)

    scenario = Scenario.objects.get()
    assert 'data-row="ran-' in page_of(signed_in, scenario=scenario.pk)
    signed_in.post(f"/risk/scenarios/{scenario.pk}/deletion")
    assert 'data-row="ran-' not in page_of(signed_in)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"shift-0-spot": "-120"}, "greater than or equal to -100"),
        ({"shift-0-spot": "nan"}, "Enter a number."),
        ({"name": ""}, "This field is required."),
        ({"days": "-1"}, "greater than or equal to 0"),
        ({"shift-0-underlying": "", "shift-0-spot": "", "shift-0-vol": ""}, "at least one shift"),
    ],
)
def test_impossible_scenario_is_told_and_not_kept(
    trader: User, signed_in: Client, wrong: dict[str, str], told: str
) -> None:
    answer = signed_in.post("/risk/scenarios", KEPT | wrong)
    assert answer.status_code == 200
    assert told in answer.content.decode()
    assert not Scenario.objects.exists()


def test_every_field_that_a_shift_offers_is_stored() -> None:
    form = ShiftForm({"underlying": "spy", "spot": "-5", "vol": "2"})
    assert form.is_valid()
    assert form.shift() == {"underlying": "SPY", "spot": -5.0, "vol": 2.0}
    assert list(form.fields) == list(form.shift())


def test_second_scenario_of_a_name_is_told(trader: User, signed_in: Client) -> None:
    signed_in.post("/risk/scenarios", KEPT)
    again = signed_in.post("/risk/scenarios", KEPT)
    assert "You already have a scenario with that name." in again.content.decode()
    assert Scenario.objects.count() == 1


@pytest.mark.parametrize("path", ["", "/deletion"])
def test_scenario_of_somebody_else_is_404(signed_in: Client, path: str) -> None:
    theirs = Scenario.objects.create(owner=UserFactory.create(), name="Theirs", shifts=[])
    assert signed_in.post(f"/risk/scenarios/{theirs.pk}{path}", KEPT).status_code == 404
    theirs.refresh_from_db()
    assert theirs.name == "Theirs"


def test_monitor_names_the_benchmark_and_leads_to_the_scenarios(
    trader: User, signed_in: Client
) -> None:
    book(trader)
    page = page_of(signed_in, "/")
    assert "shares of SPY" in page
    assert 'href="/risk#risk-scenarios"' in page
