"""The journal's rules, each held by a test: what real brokers' records do, and what must follow."""

from __future__ import annotations

import pytest

from tests.architecture.source import ROOT

TRADES = "tests/trades"
#: By number: what the rule is of, and a test that fails where it is broken.
RULES: dict[int, tuple[str, str, str]] = {
    1: ("identity", f"{TRADES}/executions/test_identity.py",
        "test_rule_1_fill_by_socket_portal_and_statement_is_one_row"),
    2: ("economic fields", f"{TRADES}/executions/test_identity.py",
        "test_rule_2_economic_fields_conflict_and_the_stored_row_stays"),
    3: ("corrections", f"{TRADES}/executions/test_identity.py",
        "test_rule_3_correction_replaces_the_lower_revision"),
    4: ("cancels", f"{TRADES}/executions/test_identity.py",
        "test_rule_4_cancel_waits_for_its_row_and_ends_it"),
    5: ("accounts of a file", f"{TRADES}/executions/test_identity.py",
        "test_rule_5_rows_of_an_unknown_account_are_kept_apart"),
    6: ("the clock", f"{TRADES}/importing/test_clock_offset.py",
        "test_rule_6_constant_offset_is_found_and_applied_after_confirmation"),
    7: ("the contract", f"{TRADES}/executions/test_identity.py",
        "test_rule_7_contract_id_names_the_contract_whatever_it_is_called"),
    8: ("expiries and multipliers of exports", f"{TRADES}/importing/test_recorded_files.py",
        "test_rule_8_options_on_futures_have_their_own_multiplier"),
    9: ("pages", "tests/portfolio/brokers/tastytrade/test_tastytrade_transactions.py",
        "test_rule_9_page_shorter_than_promised_gives_no_shorter_history"),
    10: ("kinds", f"{TRADES}/lots/test_transfers.py",
         "test_rule_10_transfer_carries_basis_dates_and_costs"),
    11: ("Flex each morning", f"{TRADES}/importing/test_flex_sync.py",
         "test_rule_11_statement_and_portal_tell_of_each_fill_once"),
    12: ("cash settlement", f"{TRADES}/executions/test_reconcile.py",
         "test_rule_12_cash_settlement_in_two_rows_closes_once"),
    13: ("sub-types that mislead", f"{TRADES}/importing/test_tastytrade_adversary.py",
         "test_rule_13_cash_is_told_by_its_words"),
    14: ("deliveries", f"{TRADES}/strategies/test_deliveries.py",
         "test_rule_14_direction_follows_right_and_sign"),
    15: ("expiry", f"{TRADES}/expiry/test_closing.py",
         "test_rule_15_broker_row_replaces_it_in_any_order"),
    16: ("unknown basis", f"{TRADES}/lots/test_matching.py",
         "test_rule_16_close_without_an_open_has_no_profit_and_is_kept"),
    17: ("cash movements", f"{TRADES}/importing/test_recorded_files.py",
         "test_rule_17_cash_of_exports_is_kept"),
    18: ("the permanent record", f"{TRADES}/executions/test_identity.py",
         "test_rule_18_account_with_executions_cannot_be_deleted"),
    19: ("lots and positions", f"{TRADES}/journal/test_pages.py",
         "test_rule_19_reconcile_names_each_difference_and_its_cause"),
    20: ("rolls", f"{TRADES}/strategies/test_rolls.py", "test_rule_20_recorded_case"),
    21: ("labels", f"{TRADES}/strategies/test_naming.py",
         "test_rule_21_label_stays_when_legs_are_closed"),
    22: ("what readers add", f"{TRADES}/reviewing/test_trades.py",
         "test_rule_22_notes_tags_and_review_survive_resync_and_rebuild"),
    23: ("one number", f"{TRADES}/statistics/test_page.py",
         "test_rule_23_page_api_and_csv_tell_the_same"),
    24: ("measures", f"{TRADES}/statistics/test_measures.py",
         "test_rule_24_drawdown_counts_a_loss_from_the_start"),
    25: ("excursions", f"{TRADES}/statistics/test_marks.py",
         "test_rule_25_worst_and_best_are_of_the_whole_trade"),
    26: ("regimes", f"{TRADES}/regimes/test_rule.py",
         "test_rule_26_a_day_does_not_depend_on_later_closes"),
    27: ("wash sales", f"{TRADES}/statistics/test_page.py",
         "test_rule_27_gains_by_tax_year_say_that_wash_sales_are_not_adjusted"),
}  # fmt: skip


def test_there_are_27_rules() -> None:
    assert list(RULES) == list(range(1, 28))


@pytest.mark.parametrize("number", RULES)
def test_rule_is_held_by_its_test(number: int) -> None:
    _, path, name = RULES[number]
    assert name.startswith(f"test_rule_{number}_")
    assert f"def {name}(" in (ROOT / path).read_text()
