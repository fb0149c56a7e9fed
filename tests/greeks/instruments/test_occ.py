"""Option symbols round-trip in each form; other text is refused."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greeks.domain import Right
from greeks.instruments.occ import OptionSymbol, OptionSymbolError, parse_occ, parse_streamer

ROOTS = st.from_regex(r"[A-Z0-9][A-Z0-9./-]{0,5}", fullmatch=True)
SYMBOLS = st.builds(
    OptionSymbol,
    root=ROOTS,
    expiry=st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    right=st.sampled_from(Right),
    strike=st.integers(1, 99_999_999).map(lambda thousandths: Decimal(thousandths) / 1000),
)


@given(SYMBOLS)
def test_every_form_parsed_again_and_symbol_is_the_same(symbol: OptionSymbol) -> None:
    assert len(symbol.occ) == 21
    assert parse_occ(symbol.occ) == symbol
    assert parse_occ(symbol.compact) == symbol
    assert parse_streamer(symbol.streamer) == symbol


@given(SYMBOLS, SYMBOLS)
def test_different_symbols_and_every_form_differs(
    first: OptionSymbol, second: OptionSymbol
) -> None:
    if first != second:
        assert first.occ != second.occ
        assert first.compact != second.compact
        assert first.streamer != second.streamer


@given(st.text(max_size=40))
def test_any_text_and_answer_is_a_symbol_or_the_named_error(text: str) -> None:
    for parse in (parse_occ, parse_streamer):
        with suppress(OptionSymbolError):
            assert parse(text).occ


def test_huge_text_and_error_stays_short() -> None:
    with pytest.raises(OptionSymbolError) as caught:
        parse_occ("A" * 100_000)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    ("occ", "compact", "streamer"),
    [
        ("SPY   260117C00600500", "SPY260117C00600500", ".SPY260117C600.5"),
        ("GOOG  260117P00122625", "GOOG260117P00122625", ".GOOG260117P122.625"),
        ("BRK/B 260117C00600000", "BRK/B260117C00600000", ".BRK/B260117C600"),
        ("RIVN  230609P00014000", "RIVN230609P00014000", ".RIVN230609P14"),
        ("SPXW  250701P05500000", "SPXW250701P05500000", ".SPXW250701P5500"),
        ("SPY1  260117C00012500", "SPY1260117C00012500", ".SPY1260117C12.5"),
        ("F     260117P00000500", "F260117P00000500", ".F260117P0.5"),
    ],
)
def test_known_symbol_and_all_three_forms_agree(occ: str, compact: str, streamer: str) -> None:
    symbol = parse_occ(occ)
    assert (symbol.occ, symbol.compact, symbol.streamer) == (occ, compact, streamer)
    assert parse_occ(compact) == parse_streamer(streamer) == symbol


def test_four_letter_root_with_decimals_and_strike_is_exact() -> None:
    symbol = parse_streamer(".NVDA261218C1002.125")
    assert (symbol.root, symbol.strike) == ("NVDA", Decimal("1002.125"))
    assert symbol.occ == "NVDA  261218C01002125"


def test_share_class_root_and_standard_form_drops_the_separator() -> None:
    assert parse_occ("BRK/B 260117C00600000").standard.occ == "BRKB  260117C00600000"
    assert parse_occ("BRK.B 260117C00600000").standard == parse_occ("BRKB260117C00600000")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SPY",
        "SPY   261317C00600500",
        "SPY   260230C00600500",
        "SPY   260117X00600500",
        "SPY   260117C00000000",
        "SPY   260117C0060050",
        "spy   260117C00600500",
        "TOOLONG260117C00600500",
        "SPY    260117C00600500",
        " SPY  260117C00600500",
        "SPY   260117C00600500\n",
        "SPY   260117C٠٠600500",
        "SPY\x00  260117C00600500",
    ],
)
def test_not_an_occ_symbol_and_error_says_so(text: str) -> None:
    with pytest.raises(OptionSymbolError):
        parse_occ(text)


@pytest.mark.parametrize(
    "text", ["SPY260117C600", ".SPY260117C", ".SPY260117C600.", ".SPY260117C600.1234", "./ESZ9 EW4"]
)
def test_not_a_streamer_symbol_and_error_says_so(text: str) -> None:
    with pytest.raises(OptionSymbolError):
        parse_streamer(text)


@pytest.mark.parametrize(
    "strike", [Decimal("NaN"), Decimal("Infinity"), Decimal(0), Decimal("0.0001"), Decimal(100_000)]
)
def test_strike_no_form_can_carry_and_symbol_is_refused(strike: Decimal) -> None:
    with pytest.raises(OptionSymbolError):
        OptionSymbol("SPY", date(2026, 1, 17), Right.CALL, strike)
