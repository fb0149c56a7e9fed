"""The page of the whole book's risk, as a browser without script sees it, and its parts."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from auth_tokens.models import User
from config.core.clock import market_now, now
from portfolio.models import Account, AccountAccess, Portfolio, Scenario
from portfolio.risk.scenarios.kept_grids import compute_scenario_grid
from tests.factories import PositionFactory, UserFactory
from tests.portfolio.risk.pages import book, page_of

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


class Cells(HTMLParser):
    """The cells of the heat map: their address as key, their words as value."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._cell = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        reference = dict(attrs).get("data-cell")
        if reference:
            self._cell = reference
            self.found[reference] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._cell = ""

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.found[self._cell] += data


def test_page_without_any_account_is_whole_and_invents_nothing(signed_in: Client) -> None:
    page = page_of(signed_in)
    assert "Nothing to revalue" in page
    assert "data-cell" not in page
    assert "NaN" not in page
    assert ">None<" not in page


def test_page_of_a_stranger_is_the_log_in() -> None:
    answer = Client().get("/risk")
    assert answer.status_code == 302
    assert "/accounts/login" in answer.headers["Location"]


def test_heat_map_is_a_table_of_links_with_a_number_in_every_cell(
    trader: User, signed_in: Client
) -> None:
    book(trader)
    cells = Cells(page_of(signed_in, spot="-20,0,20", vol="0,10", days="0,30", day="30")).found
    assert list(cells) == ["20,0,30", "20,10,30", "0,0,30", "0,10,30", "-20,0,30", "-20,10,30"]
    assert all(any(character.isdigit() for character in words) for words in cells.values())
    # The short put and the long shares both lose when the spot falls.
    assert cells["-20,10,30"].startswith("\u2212")
    assert cells["20,0,30"].startswith("+")


def test_worst_and_best_cell_are_marked_once_among_all_days(
    trader: User, signed_in: Client
) -> None:
    book(trader)
    marked: dict[str, list[str]] = {"worst": [], "best": []}
    for day in ("0", "30"):
        page = page_of(signed_in, spot="-20,0,20", vol="0", days="0,30", day=day)
        for reference, words in Cells(page).found.items():
            for name, found in marked.items():
                if words.endswith(name):
                    found.append(reference)
    (worst,), (best,) = marked["worst"], marked["best"]
    assert worst.startswith("-20,")
    assert best.startswith("20,")


def test_axes_may_be_a_range_and_moves_may_follow_beta(trader: User, signed_in: Client) -> None:
    book(trader)
    page = page_of(signed_in, spot="-10:10:5", vol="0", days="0", move="beta", benchmark="SPY")
    assert len(Cells(page).found) == 5
    assert "by its beta to SPY" in " ".join(page.split())


@pytest.mark.parametrize(
    ("axis", "typed", "problem"),
    [
        ("spot", "a lot", "Expected numbers"),
        ("vol", "1:0:1", "Expected lowest:highest:step"),
        ("days", "1.5", "Expected days in whole numbers"),
    ],
)
def test_impossible_axis_is_named_and_kept_as_typed_beside_a_map(
    trader: User, signed_in: Client, axis: str, typed: str, problem: str
) -> None:
    book(trader)
    good = {"spot": "-30,0,30", "vol": "0,3", "days": "0,4"}
    page = page_of(signed_in, **(good | {axis: typed}))
    name = {"vol": "Volatility"}.get(axis, axis.capitalize())
    assert f"{name}: {problem}" in page
    assert f'value="{typed}" aria-invalid="true"' in " ".join(page.split())
    # The others are computed as typed.
    spots = {reference.split(",")[0] for reference in Cells(page).found}
    assert ("-30" in spots) is (axis != "spot")
    part = signed_in.get("/risk", good | {axis: typed}, headers={"X-Parts": "scenarios"})
    assert 'id="risk-grid" data-unchanged' in part.content.decode()


def test_unknown_move_or_day_is_said(trader: User, signed_in: Client) -> None:
    book(trader)
    page = page_of(signed_in, spot="-5,5", vol="0", days="0,30", move="gamma", day="7")
    assert "move: Expected one of: uniform, beta. day: It is not among the days" in page
    assert "Not used" not in page_of(signed_in, spot="-5,5", vol="0", days="0,30", day="30")


def test_panel_shows_the_worst_of_the_day_that_the_map_shows(
    trader: User, signed_in: Client
) -> None:
    """Thirty days on the short put has lost its time value: the worst of all is today's."""
    account = book(trader)
    account.positions.filter(right="P").update(quantity=Decimal(5))
    for day, title in (("0", "Worst of today"), ("30", "Worst in 30 days")):
        page = page_of(signed_in, spot="-5,5", vol="0", days="0,30", day=day)
        assert title in page
        panel = " ".join(page[page.index('id="cell-title"') :].split())
        assert ("today · " if day == "0" else "in 30 days · ") in panel[:600]
    chosen = page_of(signed_in, spot="-5,5", vol="0", days="0,30", cell="5,0,30")
    assert "In 30 days: spot down the side" in " ".join(chosen.split())


def test_worst_scenario_says_its_day_apart_from_its_age(trader: User, signed_in: Client) -> None:
    compute_scenario_grid(account_id=book(trader).pk)
    page = " ".join(page_of(signed_in, "/").split())
    where = page[page.index('data-part="worst-where"') :]
    told = r'data-field="days">(today|in \d+ days)</span></span> <span class="ago">· <time'
    assert re.search(told, where)


def test_blank_fields_of_the_form_are_the_defaults(trader: User, signed_in: Client) -> None:
    book(trader)
    page = page_of(signed_in, spot="", vol=" ", days="", cell="")
    assert "0,0,0" in Cells(page).found


def test_chosen_cell_tells_the_share_of_each_leg(trader: User, signed_in: Client) -> None:
    book(trader)
    page = page_of(signed_in, cell="-10,0,0")
    shares = page[page.index('data-part="shares"') :]
    shares = shares[: shares.index("</tbody>")]
    assert shares.count("data-row") == 2
    assert "Chosen scenario" in page
    assert "SPY 590 P" in shares


@pytest.mark.parametrize(
    "query",
    [{"account_id": "DU0"}, {"portfolio": "1"}, {"portfolio": "x"}, {"scenario": "1"}],
)
def test_what_is_not_the_readers_is_404(signed_in: Client, query: dict[str, str]) -> None:
    stranger = UserFactory.create()
    book(stranger, account_id="DU0")
    Portfolio.objects.create(owner=stranger, name="Theirs")
    Scenario.objects.create(owner=stranger, name="Theirs", shifts=[])
    assert signed_in.get("/risk", query).status_code == 404


def test_benchmark_that_is_not_offered_is_refused(trader: User, signed_in: Client) -> None:
    book(trader)
    assert signed_in.get("/risk", {"benchmark": "NOPE"}).status_code == 400


def test_portfolio_shows_its_accounts_alone(trader: User, signed_in: Client) -> None:
    mine, other = book(trader), book(trader)
    portfolio = Portfolio.objects.create(owner=trader, name="Income")
    portfolio.accounts.add(mine)
    page = page_of(signed_in, portfolio=portfolio.pk)
    assert f'data-row="{mine.account_id}"' in page
    assert f'data-row="{other.account_id}"' not in page
    assert "Income" in page


def test_shared_account_is_shown_and_a_foreign_one_is_not(trader: User, signed_in: Client) -> None:
    shared, foreign = book(UserFactory.create()), book(UserFactory.create())
    AccountAccess.objects.create(user=trader, account=shared)
    page = page_of(signed_in)
    assert shared.label in page
    assert foreign.label not in page


def test_leg_without_greeks_is_counted_and_shown_as_a_dash(trader: User, signed_in: Client) -> None:
    account = book(trader)
    PositionFactory.create(account=account, delta_raw=None, gamma_raw=None)
    assert "1 leg without Greeks" in " ".join(page_of(signed_in).split())


def test_stale_and_simulated_books_say_so(trader: User, signed_in: Client) -> None:
    account = book(trader, simulated=True)
    Account.objects.filter(pk=account.pk).update(last_synced_at=now() - timedelta(hours=1))
    state = signed_in.get("/risk", headers={"X-Parts": "report"}).content.decode()
    state = state[: state.index("</p>")]
    assert 'badge-simulated">' in state
    assert 'badge-warn">' in state


def test_names_from_outside_are_escaped(trader: User, signed_in: Client) -> None:
    book(trader, label="<script>alert(1)</script>")
    assert "<script>alert" not in page_of(signed_in)


def test_page_holds_no_inline_style_or_script(trader: User, signed_in: Client) -> None:
    book(trader)
    page = page_of(signed_in, cell="-10,0,0")
    assert " style=" not in page
    assert " onclick=" not in page


@pytest.mark.parametrize(("accounts", "positions"), [(1, 1), (3, 20)])
def test_page_has_a_query_budget_whatever_the_book(
    trader: User,
    signed_in: Client,
    accounts: int,
    positions: int,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(accounts):
        account = book(trader)
        for _ in range(positions):
            PositionFactory.create(account=account)
    # Session, user, accounts, portfolios; the book once, with what its sums and revaluations need;
    # the choices of accounts; the saved scenarios.
    with django_assert_max_num_queries(13):
        assert signed_in.get("/risk").status_code == 200


def test_parts_are_answered_alone_and_not_again_while_nothing_changes(
    trader: User, signed_in: Client, settings: Settings
) -> None:
    account = book(trader)
    # The market's next minute is another answer.
    settings.MARKET_CLOCK = market_now().isoformat()
    first = signed_in.get("/risk", headers={"X-Parts": "report,scenarios"})
    assert first.status_code == 200
    assert b"<html" not in first.content
    assert {name for name in ("risk-strip", "risk-scenarios") if name in first.content.decode()}
    again = {"X-Parts": "report,scenarios", "If-None-Match": first["ETag"]}
    assert signed_in.get("/risk", headers=again).status_code == 304
    assert signed_in.get("/risk", {"vol": "3"}, headers=again).status_code == 200

    account.positions.update(quantity=Decimal(-5))
    changed = signed_in.get("/risk", headers=again)
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_answers_are_private_and_vary_by_the_parts_asked(trader: User, signed_in: Client) -> None:
    book(trader)
    answer = signed_in.get("/risk", headers={"X-Parts": "scenarios"})
    assert "private" in answer["Cache-Control"]
    assert {"Cookie", "X-Parts"} <= {name.strip() for name in answer["Vary"].split(",")}


def test_unknown_part_gets_the_whole_page(signed_in: Client) -> None:
    answer = signed_in.get("/risk", headers={"X-Parts": "nothing"})
    assert b"<html" in answer.content
