"""Value at risk against hand-made numbers and direct revaluation."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from portfolio.betas.returns import joint_returns, regressed_beta
from portfolio.exposure.columns import BetaWeights, FloatArray, convert, leg_columns
from portfolio.risk.legs import RiskLeg
from portfolio.risk.value_at_risk import past_days_pnl, value_at_risk
from tests.portfolio.risk.legs import option_leg, ready, stock_leg

START = date(2026, 1, 1)


def closes(returns: FloatArray, first: float = 100.0, skip: int = 0) -> dict[date, float]:
    prices = first * np.exp(np.concatenate([[0.0], np.cumsum(returns)]))
    return {
        START + timedelta(days=index): float(price)
        for index, price in enumerate(prices)
        if index >= skip
    }


RANDOM = np.random.default_rng(7)
MARKET = RANDOM.normal(0.0, 0.01, 200)
OWN = 1.5 * MARKET + RANDOM.normal(0.0, 0.005, 200)


def columns_of(*legs: RiskLeg) -> dict[str, FloatArray]:
    plain = [leg.leg for leg in legs]
    return convert(
        leg_columns(plain), plain, currency="USD", rates={}, weights=BetaWeights("", None, {})
    )


def test_stock_loses_on_past_days_what_the_past_lost() -> None:
    body = value_at_risk(
        legs=[stock_leg()],
        columns=columns_of(stock_leg()),
        ready=ready(stock_leg()),
        closes={"SPY": closes(MARKET)},
    )
    losses = np.sort(-(np.exp(MARKET) - 1.0) * 60_000)[::-1]
    assert body["observations"] == 200
    assert body["scenario"][0]["var"] == pytest.approx(losses[9], rel=1e-6)
    assert body["scenario"][0]["expected_shortfall"] == pytest.approx(losses[:10].mean(), rel=1e-6)
    assert body["scenario"][1]["var"] == pytest.approx(losses[1], rel=1e-6)
    assert body["parametric"][0]["var"] == pytest.approx(
        60_000 * MARKET.std(ddof=1) * 1.6448536, rel=1e-6
    )
    assert (body["from"], body["to"]) == (START, START + timedelta(days=200))
    assert body["left_out"] == []


def test_options_on_past_days_are_revalued_whole() -> None:
    book = ready(option_leg(days=5), option_leg(strike=590.0, right="P", days=40), stock_leg())
    joint = joint_returns({"SPY": closes(MARKET * 3)}, ["SPY"])
    assert joint is not None
    direct = book.pnl(np.exp(joint.values[:, 0]), [0.0], [0.0])[0, 0].sum(axis=-1)
    found = past_days_pnl(book, joint)
    assert found == pytest.approx(direct, rel=1e-9, abs=1e-6)


def test_wild_day_of_one_underlying_blurs_no_other() -> None:
    wild = RANDOM.normal(0.0, 0.05, 200)
    wild[[50, 150]] = np.log([1.9, 0.35])
    joint = joint_returns({"SPY": closes(MARKET), "GME": closes(wild)}, {"SPY", "GME"})
    assert joint is not None
    options = [
        option_leg(days=0.2, strike=strike, iv=0.15, quantity=-10.0, id=f"{strike}")
        for strike in (594.0, 600.0, 606.0)
    ]
    held = stock_leg(underlying="GME", price=20.0)
    whole = past_days_pnl(ready(*options, held), joint)
    alone = ready(*options).pnl(np.exp(joint.values[:, 1]), [0.0], [0.0])[0, 0].sum(axis=-1)
    assert whole == pytest.approx(alone + 2000.0 * np.expm1(joint.values[:, 0]), abs=1e-6)


def test_underlying_without_a_past_is_left_out_by_name() -> None:
    legs = [stock_leg(), stock_leg(underlying="NEW", price=10.0)]
    body = value_at_risk(
        legs=legs,
        columns=columns_of(*legs),
        ready=ready(*legs),
        closes={"SPY": closes(MARKET), "NEW": closes(OWN, skip=190)},
    )
    assert body["left_out"] == ["NEW"]
    assert body["parametric"] is not None


def test_nothing_is_said_without_a_past_and_the_reason_is() -> None:
    body = value_at_risk(legs=[stock_leg()], columns=columns_of(stock_leg()), ready=None, closes={})
    assert (body["parametric"], body["scenario"], body["left_out"]) == (None, None, ["SPY"])
    assert "61 daily closes" in body["method"]["parametric"]


def test_beta_is_the_slope_over_the_common_days() -> None:
    own, market = closes(OWN), closes(MARKET)
    del own[START + timedelta(days=50)]
    beta = regressed_beta(own, market)
    assert beta is not None
    assert beta.observations == 199
    # The return over the missing day is one of both symbols' common days.
    market_, own_ = (np.add.reduceat(each, [*range(50), *range(51, 200)]) for each in (MARKET, OWN))
    assert beta.value == pytest.approx(np.polyfit(market_, own_, 1)[0], rel=1e-9)
    assert regressed_beta(market, market).value == pytest.approx(1.0)  # type: ignore[union-attr]


def test_beta_over_one_missing_day_is_hand_computed() -> None:
    market = closes(np.tile([0.01, -0.01], 40))
    own = closes(np.tile([0.02, -0.02], 40))
    beta = regressed_beta(own, market)
    assert beta is not None
    assert beta.value == pytest.approx(2.0)
    assert beta.observations == 80


def test_too_short_a_past_or_a_market_that_stands_still_gives_no_beta() -> None:
    assert regressed_beta(closes(OWN[:59]), closes(MARKET)) is None
    assert regressed_beta(closes(OWN), closes(np.zeros(200))) is None


def test_symbol_with_few_common_days_does_not_take_the_others_along() -> None:
    late = {day + timedelta(days=150): price for day, price in closes(OWN).items()}
    joint = joint_returns(
        {"A": closes(MARKET), "B": closes(OWN), "LATE": dict(list(late.items())[:100])},
        ["A", "B", "LATE"],
    )
    assert joint is not None
    assert (joint.symbols, joint.left_out) == (("A", "B"), ("LATE",))


@pytest.mark.parametrize("name", ["delta", "gamma"])
def test_leg_without_a_greek_is_left_out_of_the_parametric_figure_and_said(name: str) -> None:
    option = option_leg(days=30)
    lacking: dict[str, Any] = {name: None}
    held = [stock_leg(), option._replace(leg=option.leg._replace(**lacking))]
    bodies = [
        value_at_risk(
            legs=legs, columns=columns_of(*legs), ready=None, closes={"SPY": closes(MARKET)}
        )
        for legs in (held, held[:1], held[1:])
    ]
    both, stock, alone = bodies
    assert both["parametric"] == stock["parametric"]
    assert both["method"]["parametric"].endswith("without dollar delta or gamma, 1.")
    assert "Left out" not in stock["method"]["parametric"]
    assert alone["parametric"] is None
