"""What if, on the page of risk: legs closed and added, before, after and difference."""

from __future__ import annotations

import pytest
from django.test import Client

from auth_tokens.models import User
from tests.factories import UserFactory
from tests.portfolio.risk.pages import book

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
ADDED = {
    "add-TOTAL_FORMS": "2",
    "add-INITIAL_FORMS": "0",
    "add-0-instrument_type": "option",
    "add-0-underlying": "spy",
    "add-0-expiry": "2027-01-15",
    "add-0-strike": "510",
    "add-0-right": "P",
    "add-0-quantity": "3",
    "add-0-currency": "usd",
    "add-0-implied_volatility": "20",
}


def compared(page: str, number: str) -> list[str]:
    """Before, after and difference of one number."""
    row = page[page.index(f'data-number="{number}"') :]
    row = row[: row.index("</tr>")]
    cells = [part.split(">", 1)[1].split("<")[0].strip() for part in row.split("<td")[1:3]]
    last = row[row.index("data-difference>") + len("data-difference>") :]
    return [*cells, last[: last.index("</span>")]]


def test_what_if_shows_before_after_and_difference(trader: User, signed_in: Client) -> None:
    account = book(trader)
    put = account.positions.get(right="P")
    page = signed_in.post("/risk/what-if", {f"quantity-{put.pk}": "-4"}).content.decode()
    # The shares' 100 and minus two puts of delta −0.3; then four of them.
    assert compared(page, "Dollar delta") == ["96,000", "132,000", "+36,000"]
    assert put.__class__.objects.get(pk=put.pk).quantity == -2


def test_closing_a_leg_and_adding_one_are_one_answer(trader: User, signed_in: Client) -> None:
    account = book(trader)
    stock = account.positions.get(right="")
    page = signed_in.post("/risk/what-if", ADDED | {"close": str(stock.pk)}).content.decode()
    before, after, _ = compared(page, "Dollar delta")
    assert before == "96,000"
    assert float(after.replace("\u2212", "-").replace(",", "")) < 36_000
    assert "SPY 510 P" in page
    assert 'value="510"' in page


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({}, "Add a leg, or change or close a held one."),
        (ADDED | {"add-0-strike": "much"}, "Enter a number."),
        (ADDED | {"add-0-strike": ""}, "Required for an option."),
        (ADDED | {"add-0-quantity": "0"}, "Must not be zero."),
        (ADDED | {"add-0-currency": "u1"}, "three letters"),
        (ADDED | {"add-0-expiry": "2020-01-17"}, "Is past."),
        (ADDED | {"add-0-quantity": "NaN"}, "Enter a number."),
    ],
)
def test_impossible_change_is_marked_and_loses_nothing(
    trader: User, signed_in: Client, typed: dict[str, str], told: str
) -> None:
    book(trader)
    answer = signed_in.post("/risk/what-if", typed)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert told in page
    assert "data-before" not in page
    if typed:
        assert 'value="spy"' in page


@pytest.mark.parametrize("quantity", ["x", "NaN", "1e99", "--2"])
def test_impossible_quantity_is_marked_at_its_leg(
    trader: User, signed_in: Client, quantity: str
) -> None:
    put = book(trader).positions.get(right="P")
    page = signed_in.post("/risk/what-if", {f"quantity-{put.pk}": quantity}).content.decode()
    field = page[page.index(f'name="quantity-{put.pk}"') :]
    assert 'aria-invalid="true"' in field[: field.index("</td>")]
    assert f'value="{quantity}"' in field[: field.index("</td>")]


def test_leg_of_somebody_else_cannot_be_named(trader: User, signed_in: Client) -> None:
    book(trader)
    foreign = book(UserFactory.create()).positions.get(right="P")
    page = signed_in.post("/risk/what-if", {"close": str(foreign.pk)}).content.decode()
    assert "Add a leg, or change or close a held one." in page


def test_reloading_a_what_if_leads_back_to_the_page(signed_in: Client) -> None:
    answer = signed_in.get("/risk/what-if", {"benchmark": "QQQ"})
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/risk?benchmark=QQQ"


def test_what_if_needs_the_forms_token(trader: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(trader)
    assert strict.post("/risk/what-if", ADDED).status_code == 403
