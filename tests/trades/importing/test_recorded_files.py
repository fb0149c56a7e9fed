"""Real and own exports and statements: expected lots, to the cent, and nothing lost."""

from __future__ import annotations

from decimal import Decimal

import pytest

from config.core.errors import InvalidInput
from portfolio.models import Account
from tests.trades.files import (
    account_at,
    costs,
    expected,
    gross,
    open_quantity,
    realized,
    recorded,
    take,
)
from trades.models import CashMovementRow, QuarantinedExecution, TradeExecution

pytestmark = pytest.mark.django_db
FLEX = "flex/own_lifecycle.xml"


def tastytrade() -> Account:
    return account_at("TASTY", "5WX00001")


def lifecycle() -> Account:
    account = account_at("IBKR", "U0000001")
    take(recorded(FLEX))
    return account


def kinds() -> dict[str, int]:
    found: dict[str, int] = {}
    for kind in TradeExecution.objects.values_list("kind", flat=True):
        found[kind] = found.get(kind, 0) + 1
    return found


# --- Flex: own_lifecycle.xml (rules 1, 3, 4, 7, 10, 11, 14) ---
def test_rule_10_every_row_of_the_lifecycle_is_taken_and_again_adds_nothing() -> None:
    account = lifecycle()
    assert QuarantinedExecution.objects.count() == 0
    before = TradeExecution.objects.count()
    again = take(recorded(FLEX)).recorded
    assert (again.inserted, again.cancelled, again.quarantined) == (0, 0, 0)
    assert again.existing == again.received
    assert again.ignored == {"a summary of executions by order": 1}
    assert TradeExecution.objects.filter(account=account).count() == before


def test_assigned_put_and_its_stock() -> None:
    lots, right = realized(lifecycle()), expected("flex/own_lifecycle.expected.json")["A"]
    option, stock = lots["XYZ   250117P00050000"], lots["XYZ"]
    assert gross(option) == Decimal(right["option_gross"])
    assert gross(stock) == Decimal(right["stock_gross"])
    assert costs(option) + costs(stock) == Decimal(right["costs"])
    assert kinds()["assignment"] == 4


def test_two_strikes_assigned_on_one_day() -> None:
    account, right = lifecycle(), expected("flex/own_lifecycle.expected.json")["B"]
    lots = realized(account)
    for strike, amount in right["option_gross"].items():
        assert gross(lots[f"QRS   250221P00{strike}000"]) == Decimal(amount)
    assert open_quantity(account, "QRS") == Decimal(right["open_stock"])


def test_spread_settled_against_itself_loses_its_width() -> None:
    account, right = lifecycle(), expected("flex/own_lifecycle.expected.json")["C"]
    lots = realized(account)
    options = [*lots["HHH   250620C00014000"], *lots["HHH   250620C00015000"]]
    assert gross(options) == Decimal(right["option_gross"])
    assert gross(lots["HHH"]) == Decimal(right["stock_gross"])
    assert open_quantity(account, "HHH") == Decimal(right["open_stock"])


def test_expired_call_is_closed_by_its_expiration() -> None:
    right = expected("flex/own_lifecycle.expected.json")["D"]
    (closed,) = realized(lifecycle())["XYZ   250321C00060000"]
    assert (closed.gross, costs([closed])) == (Decimal(right["gross"]), Decimal(right["costs"]))
    assert closed.closed_kind == right["closed_by"]


def test_trade_cancelled_and_booked_again_counts_once() -> None:
    account, right = lifecycle(), expected("flex/own_lifecycle.expected.json")["E"]
    rows = TradeExecution.objects.filter(instrument__symbol="ABC")
    assert open_quantity(account, "ABC") == Decimal(right["position"])
    assert sum(row.is_live for row in rows) == right["live_rows"]
    assert sum(row.superseded for row in rows) == right["superseded"]
    assert sum(bool(row.cancelled_by) for row in rows) == right["cancels"]
    assert sum(row.commission or 0 for row in rows) == Decimal(right["commission"])


def test_trade_cancelled_and_not_booked_again_is_dead() -> None:
    account, right = lifecycle(), expected("flex/own_lifecycle.expected.json")["F"]
    rows = TradeExecution.objects.filter(instrument__symbol="DEF")
    assert open_quantity(account, "DEF") == Decimal(right["position"])
    assert sum(row.is_live for row in rows) == right["live_rows"]


def test_contract_renamed_by_a_reverse_split_is_one_contract() -> None:
    right = expected("flex/own_lifecycle.expected.json")["G"]
    lots = [lot for rows in realized(lifecycle()).values() for lot in rows]
    (closed,) = [lot for lot in lots if lot.quantity == 100 and lot.instrument.strike]
    assert (closed.gross, costs([closed])) == (Decimal(right["gross"]), Decimal(right["costs"]))


def test_currency_conversion_is_no_trade() -> None:
    account = lifecycle()
    assert kinds()["fx"] == 1
    assert "EUR.USD" not in realized(account)


@pytest.mark.parametrize(
    "name", ["alexpung_assignment_orders_only.xml", "alexpung_cash_settled_orders_only.xml"]
)
def test_statement_of_orders_is_refused_with_what_to_change(name: str) -> None:
    account_at("IBKR", "TestAccount")
    with pytest.raises(InvalidInput, match="choose “Execution” instead of “Order”"):
        take(recorded(f"flex/{name}"))
    assert TradeExecution.objects.count() == 0


def test_statement_without_ids_is_matched_as_a_multiset() -> None:
    account = account_at("IBKR", "U9876543")
    first = take(recorded("flex/konvex_demo_2025.xml")).recorded
    again = take(recorded("flex/konvex_demo_2025.xml")).recorded
    assert first.received == first.inserted + first.quarantined
    assert (again.inserted, again.existing) == (0, first.inserted)
    stocks = realized(account)["US67066G1040"]
    sold = [lot for lot in stocks if lot.closed_kind == "trade"]
    assert sold[0].gross == 10060


def test_first_in_first_out_of_two_symbols() -> None:
    account = account_at("IBKR", "U1")
    content = recorded("flex/porez_fifo_scenarios.xml").replace(
        b"<FlexStatement>", b'<FlexStatement accountId="U1">'
    )
    found = take(content).recorded
    assert (found.inserted, found.quarantined) == (6, 0)
    lots = realized(account)
    assert [lot.gross for lot in lots["AAPL"]] == [200, 50]
    assert [lot.gross for lot in lots["MSFT"]] == [50, 200]
    assert open_quantity(account, "AAPL") == 5


# --- Tastytrade's exports (rules 8, 10, 12, 13) ---
def test_rules_8_and_13_shifted_expiries_and_hidden_interest() -> None:
    account = tastytrade()
    right = expected("tastytrade_csv/own_21_columns_offset_plus13.expected.json")
    content = recorded("tastytrade_csv/own_21_columns_offset_plus13.csv")
    found = take(content, account).recorded
    assert (found.received, found.quarantined) == (right["rows"], 0)
    counted = kinds()
    assert counted["trade"] == right["executions"]["trade"]
    assert counted["assignment"] == right["executions"]["removal"]
    assert counted["cash_settlement"] == right["executions"]["cash_settlement"]
    assert counted["delivery"] == right["executions"]["delivery"]
    for kind, sums in right["cash_movements"].items():
        amounts = CashMovementRow.objects.filter(kind=kind).values_list("amount", flat=True)
        assert (len(amounts), sum(amounts)) == (sums["count"], Decimal(sums["amount"]))
    for symbol, day in right["expiry"].items():
        row = TradeExecution.objects.filter(instrument__symbol=symbol).first()
        assert row is not None
        assert row.instrument.expiry is not None
        assert row.instrument.expiry.isoformat() == day
    lots = realized(account)
    for symbol, sums in right["realized"].items():
        assert gross(lots[symbol]) == Decimal(sums["gross"])
        assert costs(lots[symbol]) == Decimal(sums["commission_and_fees"])
    assert open_quantity(account, "ZZZ") == Decimal(right["open"]["ZZZ"]["quantity"])
    assert take(content, account).recorded.inserted == 0


def test_rule_8_options_on_futures_have_their_own_multiplier() -> None:
    account = tastytrade()
    found = take(recorded("tastytrade_csv/mes_future_options_2024.csv"), account).recorded
    assert (found.received, found.quarantined) == (7, 0)
    lots = realized(account)
    assert {lot.instrument.multiplier for rows in lots.values() for lot in rows} == {5}
    assert {symbol[-5:]: gross(rows) for symbol, rows in lots.items()} == {
        "P4650": Decimal(209), "P5050": Decimal(270), "P5100": Decimal("-307.5"),
    }  # fmt: skip


def test_outright_future_profits_by_price_and_not_by_value() -> None:
    account = tastytrade()
    found = take(recorded("tastytrade_csv/cl_future_2023.csv"), account).recorded
    assert (found.inserted, found.quarantined) == (2, 0)
    (closed,) = realized(account)["/CLJ4"]
    assert [closed.gross, costs([closed])] == [-160, Decimal("6.14")]


def test_reverse_split_of_options_realises_nothing() -> None:
    account = tastytrade()
    take(recorded("tastytrade_csv/reverse_split_2020.csv"), account)
    lots = realized(account)
    assert gross(lots["USO   200717P00003500"]) == 270
    assert gross(lots["USO   200717P00002000"]) == -144
    assert kinds() == {"trade": 4, "split": 4}


def test_month_with_equal_rows_and_expirations() -> None:
    account = tastytrade()
    content = recorded("tastytrade_csv/sample_history_2021-01.csv")
    found = take(content, account).recorded
    assert (found.received, found.quarantined) == (37, 0)
    assert take(content, account).recorded.inserted == 0
    lots = realized(account)
    assert gross(lots["GME   210219P00042000"]) == 915
    assert gross(lots["UVXY  210129P00014500"]) == 56
    # Opened before the file begins.
    assert gross(lots["BCRX  210319C00008000"]) is None


@pytest.mark.parametrize(
    ("name", "sums"),
    [
        ("wire_and_interest_2024.csv", {"external_flow": "1000.00", "interest": "0.06"}),
        ("legacy_format_2020.csv", {"external_flow": "1234.5"}),
    ],
)
def test_rule_17_cash_of_exports_is_kept(name: str, sums: dict[str, str]) -> None:
    found = take(recorded(f"tastytrade_csv/{name}"), tastytrade()).recorded
    assert found.quarantined == 0
    stored = dict(CashMovementRow.objects.values_list("kind", "amount"))
    assert stored == {kind: Decimal(amount) for kind, amount in sums.items()}
