"""Closes from Cboe's files and from files at hand, and the regimes computed from them."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

import httpx
import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command

from config.core.errors import InvalidInput, PermanentError
from greeks.providers.cboe.daily_prices import CboeDailyPrices, read_daily_prices
from greeks.sandbox.cboe.daily_prices import daily_prices
from greeks.sandbox.market import Market
from trades.models import IndexClose, RegimeDay
from trades.regimes import sync
from trades.regimes.sync import import_index_file, sync_regimes, sync_regimes_if_due

VIX_FILE = """DATE,OPEN,HIGH,LOW,CLOSE
07/01/2024,12.71,13.12,12.19,12.22
07/02/2024,12.54,12.66,12.02,12.03
"""
INDIA_FILE = """"Date ","Open ","High ","Low ","Close ","Prev. Close ","Change ","% Change "
"01-JUL-2024","13.80","14.20","13.50","13.98","13.80","0.18","1.30"
"""
_hosts = map("daily{}.test".format, count())
START = datetime(2026, 8, 14, 18, 0, tzinfo=UTC)


@functools.cache
def daily_file(name: str) -> str | None:
    """Return the simulated market's file of two years, made once."""
    return daily_prices(Market.simulated(start=START), name)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Serve the simulated market's files as the provider; return what was asked for."""
    asked: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rsplit("/", 1)[-1].removesuffix("_History.csv")
        asked.append(name)
        text = daily_file(name)
        return (
            httpx.Response(403, text="<Error/>") if text is None else httpx.Response(200, text=text)
        )

    def open_provider() -> CboeDailyPrices:
        return CboeDailyPrices(f"https://{next(_hosts)}", transport=httpx.MockTransport(serve))

    monkeypatch.setattr(sync, "open_daily_prices", open_provider)
    cache.clear()
    yield asked
    cache.clear()


@pytest.mark.parametrize(
    ("text", "symbol", "expected"),
    [
        (VIX_FILE, "VIX", {date(2024, 7, 1): "12.22", date(2024, 7, 2): "12.03"}),
        (INDIA_FILE, "INDIAVIX", {date(2024, 7, 1): "13.98"}),
        ("DATE,SPX\n07/01/2024,5475.09\n", "SPX", {date(2024, 7, 1): "5475.09"}),
        ("Some notice\n\nDate,Close\n2024-07-01,9.5\n", "VXN", {date(2024, 7, 1): "9.5"}),
    ],
)
def test_every_layout_of_a_daily_file_is_read(
    text: str, symbol: str, expected: dict[date, str]
) -> None:
    fetched = read_daily_prices(text, symbol, source="file")
    assert {item.session_date: str(item.close) for item in fetched.items} == expected
    assert not fetched.rejected


@pytest.mark.parametrize(
    "row", ["13/45/2024,1,1,1,1", "07/01/2024,1,1,1,0", "07/01/2024,1,1,1,x", "07/01/2024,1",
            "07/01/2024,1,1,1,NaN", "07/01/2024,1,1,1,-3"]
)  # fmt: skip
def test_a_row_without_day_and_close_is_rejected_and_the_others_stay(row: str) -> None:
    fetched = read_daily_prices(VIX_FILE + row + "\n", "VIX", source="file")
    assert (len(fetched.items), len(fetched.rejected)) == (2, 1)


def test_a_file_of_something_else_is_refused_by_its_headers() -> None:
    with pytest.raises(InvalidInput, match="headers of daily prices"):
        read_daily_prices("a,b\n1,2\n", "VIX", source="file")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_daily_prices("DATE,CLOSE\n" + "1" * 200_000, "VIX", source="file")


def test_an_index_without_a_file_is_refused_for_good() -> None:
    provider = CboeDailyPrices(
        f"https://{next(_hosts)}",
        transport=httpx.MockTransport(lambda _: httpx.Response(403, text="<Error/>")),
    )
    with pytest.raises(PermanentError, match="publishes no such index"):
        provider.fetch_closes("NOPE")


@pytest.mark.django_db
def test_sync_computes_two_years_of_regimes_with_all_inputs(sandbox: list[str]) -> None:
    done = sync_regimes()
    assert sandbox == ["VIX", "VIX9D", "VIX3M", "SPX"]
    assert done.closes["VIX"] == done.days["VIX"] > 500
    assert not done.failed
    last = RegimeDay.objects.filter(symbol="VIX").latest("session_date")
    # Today's close is not known yet.
    assert last.session_date == date(2026, 8, 13)
    assert last.timestamp == datetime(2026, 8, 13, 20, 0, tzinfo=UTC)
    assert (last.source, last.rule_version) == ("cboe", 1)
    for name in ("percentile", "rank", "realised_percentile"):
        assert 0 <= getattr(last, name) <= 1
    close = IndexClose.objects.get(symbol="VIX", session_date=last.session_date).close
    three = IndexClose.objects.get(symbol="VIX3M", session_date=last.session_date).close
    assert last.three_month_ratio == pytest.approx(float(close / three))


@pytest.mark.django_db
def test_a_second_sync_changes_nothing_but_the_last_days(sandbox: list[str]) -> None:
    sync_regimes()
    before = list(RegimeDay.objects.order_by("pk").values_list("session_date", "level", "rank"))
    done = sync_regimes()
    assert 5 <= done.closes["VIX"] <= 9
    after = list(RegimeDay.objects.order_by("pk").values_list("session_date", "level", "rank"))
    assert after == before


@pytest.mark.django_db
def test_the_task_asks_once_and_not_again_when_yesterday_is_here(
    sandbox: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "market_now", lambda: START + timedelta(days=3))
    assert sync_regimes_if_due() is not None
    assert sync_regimes_if_due() is None
    cache.clear()
    monkeypatch.setattr(sync, "market_now", lambda: START)
    assert sync_regimes_if_due() is None
    assert len(sandbox) == 4


@pytest.mark.django_db
def test_the_command_reads_a_file_and_is_idempotent(tmp_path: Path) -> None:
    path = tmp_path / "VIX_History.csv"
    path.write_text(VIX_FILE)
    for _ in range(2):
        out = io.StringIO()
        call_command("sync_regimes", "--file", str(path), "--json", stdout=out)
        result = json.loads(out.getvalue())
        assert (result["closes"], result["days"]["VIX"]) == ({"VIX": 2}, 2)
    assert RegimeDay.objects.count() == 2
    assert set(RegimeDay.objects.values_list("regime", "source")) == {("calm", "file")}


@pytest.mark.django_db
def test_since_leaves_older_days_out(tmp_path: Path) -> None:
    done = import_index_file(VIX_FILE, name="VIX_History.csv", since=date(2024, 7, 2))
    assert done.closes == {"VIX": 1}
    assert IndexClose.objects.get().session_date == date(2024, 7, 2)


@pytest.mark.django_db
def test_india_vix_is_known_by_its_file_name() -> None:
    import_index_file(INDIA_FILE, name="hist_india_vix_-01-07-2024-to-01-07-2024.csv")
    day = RegimeDay.objects.get()
    assert (day.symbol, day.regime) == ("INDIAVIX", "normal")
    assert day.timestamp == datetime(2024, 7, 1, 10, 0, tzinfo=UTC)


@pytest.mark.django_db
def test_a_file_of_an_unnamed_index_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(VIX_FILE)
    with pytest.raises(CommandError, match="name the index"):
        call_command("sync_regimes", "--file", str(path))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("sync_regimes", "--file", str(tmp_path / "none.csv"))
