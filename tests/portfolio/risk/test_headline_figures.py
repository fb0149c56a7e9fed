"""One headline figure is the same on both pages, in the API, in the live frames and in the CSV."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from django.test import Client

from auth_tokens.models import User
from config.core.web.formatting import compact, number
from portfolio.models import Beta
from portfolio.risk_monitor.body import accounts_shown, risk_monitor_of
from portfolio.risk_monitor.feed import BookFeed, changes
from tests.factories import AS_OF
from tests.portfolio.reading import FAST, read
from tests.portfolio.risk.legs import stored_account, stored_option

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

RISK = "/api/portfolio/risk"
# Shares of SPY: gamma of two short SPY puts, and of three AAPL calls by β²·S²/B².
GAMMA = 0.01 * -200 + 0.01 * 300 * (1.5 * 240 / 600) ** 2
DELTA = 0.5 * 200 + 0.5 * 300 * 1.5 * 240 / 600


@pytest.fixture
def account_id(trader: User) -> str:
    account = stored_account(trader)
    stored_option(account, strike=600, right="P", quantity=-2, daily_change=250)
    stored_option(account, underlying="AAPL", strike=250, right="C", quantity=3,
                  underlying_price=240)  # fmt: skip
    Beta.objects.create(symbol="AAPL", benchmark="SPY", value=1.5, as_of=AS_OF)
    return account.pk


def shown(page: str, label: str) -> str:
    """Return the figure under a heading of the strip."""
    after = page[page.index(f">{label}<") :]
    return re.search(r"<dd[^>]*>\s*(\S+)\s*</dd>", after)[1]  # type: ignore[index]


def test_headline_gamma_and_delta_agree_wherever_they_are_shown(
    signed_in: Client, account_id: str
) -> None:
    feed = BookFeed((account_id,))
    feed.state = risk_monitor_of(accounts_shown((account_id,)))
    frame = json.loads(feed.snapshot())["data"]
    changed = changes(risk_monitor_of([]), feed.state)
    lines = list(csv.DictReader(io.StringIO(_text(signed_in, f"{RISK}?format=csv"))))
    for name, expected in (("beta_weighted_gamma", GAMMA), ("beta_weighted_delta", DELTA)):
        told = [
            read(signed_in, FAST)["totals"][name],
            read(signed_in, RISK)["totals"][name],
            frame["totals"][name],
            changed["totals"][name] if changed else None,
            sum(float(line[name]) for line in lines),
        ]
        assert told == pytest.approx([expected] * len(told)), name
    page, risk = _text(signed_in, "/"), _text(signed_in, "/risk")
    assert shown(page, "β-wtd gamma") == shown(risk, "β-wtd gamma") == compact(GAMMA)
    assert shown(page, "β-wtd delta") == shown(risk, "Beta-weighted delta")
    assert shown(risk, "Beta-weighted delta") == number(DELTA, 1)


def test_units_of_two_underlyings_are_added_nowhere(signed_in: Client, account_id: str) -> None:
    report, monitor = read(signed_in, RISK), read(signed_in, FAST)
    mixed = [report["totals"], *report["accounts"], *report["expiries"], monitor["totals"],
             *monitor["totals"]["by_expiry"]]  # fmt: skip
    assert {(row["delta"], row["gamma"]) for row in mixed} == {(None, None)}
    assert [row["delta"] for row in monitor["totals"]["by_underlying"]] == [150.0, 100.0]
    for page in (_text(signed_in, "/"), _text(signed_in, "/risk")):
        strip = page[page.index("The whole book") : page.index("Margin use")]
        assert ">Delta<" not in strip
        assert ">Gamma<" not in strip


def test_percent_of_the_day_says_that_it_is_of_net_liquidation(
    signed_in: Client, account_id: str
) -> None:
    totals = read(signed_in, FAST)["totals"]
    expected = totals["daily_change"] / totals["net_liquidation"] * 100
    assert totals["daily_change_percent"] == pytest.approx(expected)
    assert "of net liq" in _text(signed_in, "/")


def _text(client: Client, path: str) -> str:
    answer = client.get(path)
    content = answer.getvalue() if answer.streaming else answer.content
    return content.decode()
