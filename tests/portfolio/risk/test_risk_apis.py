"""The risk API: documented bodies, strict parameters, tables that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import time_machine
from django.test import Client

from auth_tokens.api_tokens.writing import create_api_token
from auth_tokens.models import User
from config.core.api.shapes import Shape
from config.core.web.csv_export import csv_lines
from portfolio.models import Account, Beta, Portfolio, Position, Scenario
from portfolio.risk import shapes
from portfolio.risk.what_if import shapes as what_if_shapes
from tests.factories import AS_OF, UserFactory
from tests.portfolio.reading import read
from tests.portfolio.risk.legs import stored_account, stored_option, stored_stock
from tests.portfolio.risk.test_risk_report import store_closes

pytestmark = pytest.mark.django_db

RISK, GRID, SAVED, WHAT_IF = (
    f"/api/portfolio/{name}" for name in ("risk", "scenarios", "scenarios/saved", "what-if")
)


@pytest.fixture
def account(trader: User) -> Account:
    account = stored_account(trader)
    stored_option(account, strike=600, right="P", quantity=-2)
    stored_option(account, strike=580, right="P", quantity=4, style="american")
    stored_stock(account, quantity=44)
    return account


def post(client: Client, url: str, body: Any, status: int = 200) -> dict[str, Any]:
    response = client.post(url, json.dumps(body), content_type="application/json")
    assert response.status_code == status, response.content
    return json.loads(response.content)


def assert_shape(shown: dict[str, Any], shape: type[Shape]) -> None:
    assert set(shown) == set(shape.__struct_encode_fields__), shape.__name__
    msgspec.convert(shown, shape)


def test_grid_has_exactly_the_published_fields_and_its_cells_add_up(
    signed_in: Client, account: Account
) -> None:
    body = read(signed_in, f"{GRID}?spot=-20:20:10&vol=-10,0,10&days=0,30&cell=-20,0,30")
    assert_shape(body, shapes.ScenarioGrid)
    assert_shape(body["worst"], shapes.Cell)
    assert_shape(body["worst"]["legs"][0], shapes.LegShare)
    assert body["axes"]["spot"] == [-20, -10, 0, 10, 20]
    assert body["pnl"][0][1][2] == 0
    flat = [cell for day in body["pnl"] for vol in day for cell in vol]
    assert body["worst"]["pnl"] == pytest.approx(min(flat), abs=0.005)
    assert body["best"]["pnl"] == pytest.approx(max(flat), abs=0.005)
    for cell in (body["worst"], body["best"], body["cell"]):
        assert sum(leg["pnl"] for leg in cell["legs"]) == pytest.approx(cell["pnl"], rel=1e-9)
        assert sum(leg["share"] for leg in cell["legs"]) == pytest.approx(1.0)
    assert body["cell"]["pnl"] == pytest.approx(body["pnl"][1][1][0], rel=1e-9)
    assert body["worst"]["pnl_percent_of_net_liq"] == pytest.approx(body["worst"]["pnl"] / 1000)
    assert body["models"] == {"european": 1, "american": 1, "linear": 1}
    assert 0 < body["american_error"] < 1
    assert body["left_out"] == []


def test_beta_move_moves_each_underlying_by_its_beta(
    trader: User, signed_in: Client, account: Account
) -> None:
    stored_stock(account, symbol="AAPL", quantity=10, price=200)
    Beta.objects.create(symbol="AAPL", benchmark="SPY", value=1.5, as_of=AS_OF)
    stored_stock(account, symbol="NEW", quantity=10, price=50)
    query = "spot=-10&vol=0&days=0&move=beta&cell=-10,0,0"
    body = read(signed_in, f"{GRID}?{query}")
    by_leg = {leg["symbol"]: leg["pnl"] for leg in body["cell"]["legs"]}
    assert by_leg["AAPL"] == pytest.approx(-0.15 * 2000)
    assert by_leg["SPY"] == pytest.approx(-0.10 * 44 * 600)
    assert [(row["symbol"], row["reason"]) for row in body["left_out"]] == [
        ("NEW", "no beta to SPY")
    ]
    assert body["benchmark"] == "SPY"


@time_machine.travel("2026-11-20T16:00:00Z", tick=False)
def test_grids_of_two_accounts_add(trader: User, signed_in: Client, account: Account) -> None:
    other = stored_account(trader)
    stored_option(other, strike=640, right="C", quantity=-5, style="american")
    whole = read(signed_in, GRID)["pnl"]
    parts = [read(signed_in, f"{GRID}?account_id={each.pk}")["pnl"] for each in (account, other)]
    for d, day in enumerate(whole):
        for v, row in enumerate(day):
            for s, cell in enumerate(row):
                total = sum(part[d][v][s] for part in parts)
                assert cell == pytest.approx(total, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize(
    ("url", "field"),
    [
        (f"{RISK}?colour=red", "colour"),
        (f"{RISK}?portfolio=x", "portfolio"),
        (f"{RISK}?portfolio=0", "portfolio"),
        (f"{RISK}?benchmark=NOSUCH", "benchmark"),
        (f"{RISK}?format=xml", "format"),
        (f"{RISK}?account_id=A&portfolio=1", "portfolio"),
        (f"{GRID}?spot=nan", "spot"),
        (f"{GRID}?vol=-500", "vol"),
        (f"{GRID}?days=1.5", "days"),
        (f"{GRID}?spot=-95:500:1", "spot"),
        (f"{GRID}?move=sideways", "move"),
        (f"{GRID}?cell=1", "cell"),
        (f"{GRID}?spot=1&spot=2", "spot"),
        (f"{SAVED}?x=1", "x"),
    ],
)
def test_bad_parameter_is_400_naming_the_field(signed_in: Client, url: str, field: str) -> None:
    response = signed_in.get(url)
    assert response.status_code == 400
    assert field in response.json()["error"]["fields"]


def test_foreign_portfolio_is_404(signed_in: Client) -> None:
    theirs = Portfolio.objects.create(name="Theirs", owner=UserFactory())
    for url in (RISK, GRID):
        assert signed_in.get(f"{url}?portfolio={theirs.pk}").status_code == 404
        assert signed_in.get(f"{url}?portfolio={10**17}").status_code == 404


# --- CSV --------------------------------------------------------------------------------------
def table(client: Client, url: str) -> tuple[Any, list[list[str]]]:
    response = client.get(url)
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    return response, list(csv.reader(io.StringIO(text)))


def test_legs_and_grid_come_as_csv(signed_in: Client, account: Account) -> None:
    response, rows = table(signed_in, f"{RISK}?format=csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="greekdesk-risk-')
    assert "private" in response["Cache-Control"]
    body = read(signed_in, RISK)
    assert len(rows) == 1 + len(body["legs"])
    for row, leg in zip(rows[1:], body["legs"], strict=True):
        shown = dict(zip(rows[0], row, strict=True))
        assert float(shown["dollar_delta"]) == pytest.approx(leg["dollar_delta"])
        assert shown["strike"] == ("" if leg["strike"] is None else repr(float(leg["strike"])))
    _, cells = table(signed_in, f"{GRID}?spot=-10,10&vol=0&days=0,7&format=csv")
    assert cells[0] == ["days", "vol_points", "spot_percent", "pnl", "currency"]
    assert [row[:3] for row in cells[1:]] == [
        ["0", "0.0", "-10.0"], ["0", "0.0", "10.0"], ["7", "0.0", "-10.0"], ["7", "0.0", "10.0"],
    ]  # fmt: skip


def test_symbol_that_is_a_formula_is_escaped(
    trader: User, signed_in: Client, account: Account
) -> None:
    Position.objects.filter(instrument_type="stock").update(symbol="=HYPERLINK(1)")
    _, rows = table(signed_in, f"{RISK}?format=csv")
    assert "'=HYPERLINK(1)" in [row[2] for row in rows]
    assert not [cell for row in rows[1:] for cell in row if cell.startswith(("=", "@", "+"))]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx", "\nx"])
def test_text_that_begins_like_a_formula_gets_a_quote_and_a_number_does_not(text: str) -> None:
    (line,) = list(csv_lines([text], []))
    assert next(csv.reader(io.StringIO(line, newline=""))) == ["'" + text]
    assert list(csv_lines(["x"], [[-1.5], [Decimal(-2)]]))[1:] == ["-1.5\r\n", "-2\r\n"]


# --- Saved scenarios --------------------------------------------------------------------------
CRASH = {
    "name": "Crash", "days": 5,
    "shifts": [{"underlying": "*", "spot": -20, "vol": 15}, {"underlying": "aapl", "spot": 10}],
}  # fmt: skip


def test_scenario_is_kept_read_with_its_result_changed_and_deleted(
    signed_in: Client, account: Account
) -> None:
    stored_stock(account, symbol="AAPL", quantity=10, price=200)
    made = post(signed_in, SAVED, CRASH, 201)
    assert_shape(made, shapes.SavedScenario)
    assert made["shifts"][1] == {"underlying": "AAPL", "spot": 10.0, "vol": 0.0}
    assert read(signed_in, SAVED)["scenarios"] == [made]
    url = f"{SAVED}/{made['id']}"
    body = read(signed_in, url)
    assert_shape(body, shapes.ScenarioWithResult)
    assert_shape(body["result"], shapes.ScenarioResult)
    by_leg = {leg["symbol"]: leg["pnl"] for leg in body["result"]["legs"]}
    assert by_leg["AAPL"] == pytest.approx(200.0)
    assert by_leg["SPY"] == pytest.approx(-0.2 * 44 * 600)
    grid = read(signed_in, f"{GRID}?cell=-20,15,5")
    same = {leg["symbol"]: leg["pnl"] for leg in grid["cell"]["legs"]}
    assert {name: by_leg[name] for name in by_leg if name != "AAPL"} == pytest.approx(
        {name: same[name] for name in same if name != "AAPL"}
    )
    changed = signed_in.put(
        url, json.dumps(CRASH | {"name": "Dip", "days": 0}), content_type="application/json"
    )
    assert (changed.status_code, changed.json()["name"]) == (200, "Dip")
    assert signed_in.delete(url).status_code == 204
    assert signed_in.get(url).status_code == 404


def test_scenario_of_another_user_is_404_in_every_way(signed_in: Client) -> None:
    theirs = Scenario.objects.create(
        owner=UserFactory(), name="Theirs", shifts=[{"underlying": "*", "spot": 1.0, "vol": 0.0}]
    )
    for number in (theirs.pk, 999_999, 2**64):
        url = f"{SAVED}/{number}"
        assert signed_in.get(url).status_code == 404
        assert signed_in.delete(url).status_code == 404
        body = json.dumps(CRASH)
        assert signed_in.put(url, body, content_type="application/json").status_code == 404
    assert read(signed_in, SAVED)["scenarios"] == []
    assert Scenario.objects.get().name == "Theirs"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"), ({"name": "x" * 65}, "name"), ({"name": "a\x00b"}, "name"),
        ({"name": 5}, "name"), ({"days": -1}, "days"), ({"days": "x"}, "days"),
        ({"days": True}, "days"), ({"days": 10**400}, "days"), ({"shifts": []}, "shifts"),
        ({"shifts": "x"}, "shifts"), ({"shifts": [5]}, "shifts.0"),
        ({"shifts": [{"spot": 1}]}, "shifts.0.underlying"),
        ({"shifts": [{"underlying": "=1"}]}, "shifts.0.underlying"),
        ({"shifts": [{"underlying": "*", "spot": -99}]}, "shifts.0.spot"),
        ({"shifts": [{"underlying": "*", "vol": None}]}, "shifts.0.vol"),
        ({"shifts": [{"underlying": "*"}, {"underlying": "*"}]}, "shifts.1.underlying"),
        ({"shifts": [{"underlying": "*", "x": 1}]}, "shifts.0.x"), ({"colour": 1}, "colour"),
        ({"shifts": [{"underlying": "*"}] * 51}, "shifts"),
    ],
)  # fmt: skip
def test_impossible_scenario_is_refused_by_field(
    signed_in: Client, change: dict[str, Any], field: str
) -> None:
    body = post(signed_in, SAVED, CRASH | change, 400)
    assert list(body["error"]["fields"]) == [field]
    assert Scenario.objects.count() == 0


def test_second_scenario_of_a_name_is_a_conflict(signed_in: Client) -> None:
    post(signed_in, SAVED, CRASH, 201)
    assert "name" in post(signed_in, SAVED, CRASH, 409)["error"]["fields"]
    assert Scenario.objects.count() == 1


def test_shapeless_body_is_400(signed_in: Client) -> None:
    for url in (SAVED, WHAT_IF):
        post(signed_in, url, [1], 400)


# --- What-if ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ({"add": [{}], "changes": []}, "add", "account_id, benchmark, changes, portfolio"),
        ({"benchmark": ["SPY"], "changes": []}, "benchmark", "Expected a text."),
    ],
)
def test_what_if_names_the_field_it_does_not_know_or_cannot_read(
    signed_in: Client, body: dict[str, Any], field: str, problem: str
) -> None:
    answer = post(signed_in, WHAT_IF, body, 400)

    assert problem in answer["error"]["fields"][field]


def test_what_if_has_exactly_the_published_fields_and_writes_nothing(
    signed_in: Client, account: Account
) -> None:
    store_closes("SPY", [0.01, -0.01] * 50)
    held = Position.objects.filter(right="P").first()
    assert held is not None
    body = post(signed_in, WHAT_IF, {
        "account_id": account.pk,
        "changes": [
            {"action": "close", "position_id": str(held.pk)},
            {"action": "add", "underlying": "SPY", "instrument_type": "stock", "quantity": -10},
        ],
    })  # fmt: skip
    assert_shape(body, what_if_shapes.WhatIf)
    for numbers in (body["before"], body["after"], body["difference"]):
        assert_shape(numbers, what_if_shapes.Numbers)
        assert_shape(numbers["worst"], shapes.Worst)
        for method in ("parametric", "scenario"):
            assert_shape(numbers["value_at_risk"][method][0], shapes.Quantile)
    assert_shape(body["legs"][0], what_if_shapes.WhatIfLeg)
    assert Position.objects.count() == 3


def test_token_that_may_read_may_ask_what_if_and_keep_no_scenario(
    trader: User, account: Account
) -> None:
    token = create_api_token(user=trader, name="script").text
    client = Client(headers={"Authorization": f"Bearer {token}"})
    position = Position.objects.filter(right="P").first()
    assert position is not None
    changes = {"changes": [{"action": "close", "position_id": str(position.pk)}]}
    post(client, WHAT_IF, changes)
    post(client, SAVED, CRASH, 403)
