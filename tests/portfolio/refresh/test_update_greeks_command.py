"""``manage.py update_greeks`` on the simulated providers: what it stores, says and refuses."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from config.core.redis.locks import subject_lock
from config.core.sandbox.server import Sandbox
from greeks.models import ContractGreeks, Instrument
from greeks.sandbox.polygon.rules import API_KEY
from greeks.underlyings import product_name
from portfolio.domain import Broker
from portfolio.models import Account, Position, SyncRun
from portfolio.sync.run import sync_account
from tests.factories import AccountFactory

pytestmark = pytest.mark.django_db
Run = Callable[..., tuple[str, CommandError | None]]


@pytest.fixture
def desk(sandbox: Sandbox, settings: Any) -> Sandbox:
    settings.IBKR_PORTAL_URL = sandbox.url("ibkr_portal")
    settings.TASTYTRADE_URL = sandbox.url("tastytrade")
    settings.TASTYTRADE_CLIENT_SECRET = "simulated-client-secret"
    settings.TASTYTRADE_REFRESH_TOKEN = "simulated-refresh-token"
    settings.POLYGON_URL = sandbox.url("polygon")
    settings.POLYGON_API_KEY = API_KEY
    settings.POLYGON_CALLS_PER_MINUTE = 0
    settings.PROVIDER_TIMEOUT_SECONDS = 20.0
    settings.IBKR_PORTAL_SNAPSHOT_SECONDS = 1.0
    return sandbox


@pytest.fixture
def account(desk: Sandbox) -> Account:
    """A synced IBKR account, with its own broker's Greeks."""
    account: Account = AccountFactory.create(account_id="DU1000001", broker=Broker.IBKR.value)
    run = sync_account(account_id=account.pk, trigger=SyncRun.Trigger.COMMAND)
    assert run.outcome == SyncRun.Outcome.SUCCEEDED
    return account


@pytest.fixture
def run() -> Run:
    def call(*arguments: str) -> tuple[str, CommandError | None]:
        out = io.StringIO()
        try:
            call_command("update_greeks", *arguments, stdout=out, stderr=io.StringIO())
        except CommandError as error:
            return out.getvalue(), error
        return out.getvalue(), None

    return call


def polygon_options() -> Any:
    """Held options that the simulated vendor covers."""
    return Position.objects.filter(instrument_type="option", currency="USD").exclude(
        underlying="SPX"
    )


def test_everything_held_is_updated_from_the_chosen_provider(
    desk: Sandbox, account: Account, run: Run
) -> None:
    desk.market.step(600)
    version = account.book_version
    account.refresh_from_db()
    version = account.book_version
    underlyings = sorted(set(polygon_options().values_list("underlying", flat=True)))
    before = dict(polygon_options().values_list("symbol", "greeks_as_of"))

    output, error = run("--source", "polygon", "--json")

    assert error is None
    report = json.loads(output)
    assert report["failed"] == {}
    assert {u["underlying"] for u in report["underlyings"]} >= set(underlyings)
    calls = desk.faults.requests(server="polygon")
    assert report["calls"] == {"polygon": len(calls)}
    # A call for each underlying, and one for what their first pages lacked: never one a leg.
    assert len(underlyings) <= len(calls) <= len(report["underlyings"]) + 1
    rows = list(polygon_options())
    from_polygon = [row for row in rows if row.greeks_source == "polygon"]
    assert len(from_polygon) >= 0.8 * len(rows)
    # Deep in the money the vendor has none: our model has.
    assert {row.greeks_source for row in rows} <= {"polygon", "model"}
    assert all(row.greeks_as_of and row.greeks_as_of > before[row.symbol] for row in rows)
    cached = ContractGreeks.objects.filter(source="polygon")
    assert cached.count() == len({row.instrument_id for row in from_polygon})
    counted = sum(u["sources"].get("polygon", 0) for u in report["underlyings"])
    assert counted == cached.count()
    for row in from_polygon:
        contract = desk.market.contract(row.symbol)
        assert contract is not None
        assert row.delta_raw == pytest.approx(desk.market.quote(contract).delta, abs=0.02)
    account.refresh_from_db()
    assert account.book_version == version + 1


def test_only_the_named_underlying_of_the_named_account(
    desk: Sandbox, account: Account, run: Run
) -> None:
    desk.market.step(600)
    name = polygon_options().values_list("underlying", flat=True).first()

    output, error = run("--account", account.pk, "--underlying", name.lower(), "--source=polygon")

    assert error is None
    sentences = output.splitlines()
    assert len(sentences) == 2
    assert sentences[0].startswith(f"{name}: ")
    assert " from polygon" in sentences[0]
    asked = desk.faults.requests(server="polygon")
    assert asked[0].path.removeprefix("/v3/snapshot/options/").removeprefix("I:") == name
    assert sentences[1] == f"Calls: {len(asked)} to polygon"
    others = Position.objects.exclude(right="").exclude(underlying=name)
    assert others.exists()
    assert "polygon" not in set(others.values_list("greeks_source", flat=True))


def test_without_a_source_each_accounts_own_broker_is_asked_first(
    desk: Sandbox, account: Account, run: Run
) -> None:
    desk.market.step(600)
    tastytrade: Account = AccountFactory.create(account_id="5WX00001", broker=Broker.TASTY.value)
    sync_account(account_id=tastytrade.pk, trigger=SyncRun.Trigger.COMMAND)
    desk.market.step(600)

    output, error = run("--json")

    assert error is None
    sources = {source for each in json.loads(output)["underlyings"] for source in each["sources"]}
    # The model speaks for what a broker has no Greeks of: an option on a future by name.
    assert sources - {"model"} == {"ibkr", "tastytrade"}
    rows = Position.objects.exclude(right="")
    assert set(rows.filter(account=account).values_list("greeks_source", flat=True)) == {"ibkr"}

    # An option on a future is named by month if the broker that stored it first names one.
    option = rows.filter(instrument_type="future_option", account=tastytrade)[0]
    Instrument.objects.filter(pk=option.instrument_id).update(underlying=option.underlying)
    product = product_name(option.underlying)
    assert product != option.underlying
    output, _ = run("--underlying", product, "--json")
    assert option.underlying in {each["underlying"] for each in json.loads(output)["underlyings"]}


def test_calls_of_the_minute_that_are_used_up_are_said_and_fail(
    desk: Sandbox, account: Account, run: Run, settings: Any
) -> None:
    settings.POLYGON_CALLS_PER_MINUTE = 1
    desk.market.step(600)

    output, error = run("--source", "polygon")

    assert error is not None
    assert error.returncode == 1
    said = [line for line in output.splitlines() if "left out: The call budget polygon" in line]
    names = set(polygon_options().values_list("underlying", flat=True))
    assert len(said) >= len(names) - 1
    assert "Calls: 1 to polygon" in output
    assert polygon_options().filter(greeks_source="polygon").exists()


def test_provider_that_is_down_leaves_the_last_values_and_fails(
    desk: Sandbox, account: Account, run: Run
) -> None:
    rows = Position.objects.exclude(right="").order_by("pk")
    before = list(rows.values_list("pk", "delta_raw", "greeks_source", "greeks_as_of"))
    desk.faults.add(server="polygon", status=503, times=None)

    output, error = run("--source", "polygon", "--json")

    assert error is not None
    assert "503" in json.loads(output)["failed"]["polygon"]
    after = list(rows.values_list("pk", "delta_raw", "greeks_source", "greeks_as_of"))
    assert after == before


def test_account_that_someone_else_refreshes_is_left_to_them(
    desk: Sandbox, account: Account, run: Run
) -> None:
    with subject_lock(f"greeks:{account.pk}", seconds=30):
        output, error = run("--source", "polygon")
    assert error is not None
    assert f"{account.pk}: Someone else is refreshing it now." in output
    assert not Position.objects.filter(greeks_source="polygon").exists()


def test_what_is_not_here_is_named(
    desk: Sandbox, account: Account, run: Run, settings: Any
) -> None:
    _, error = run("--account", "DU9")
    assert "DU9" in str(error)
    assert account.pk in str(error)
    _, error = run("--underlying", "NONE")
    assert "No option on NONE is held" in str(error)
    settings.POLYGON_API_KEY = ""
    _, error = run("--source", "polygon")
    assert "'polygon' is not set up here (set up: broker)" in str(error)
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("update_greeks", "--source", "oracle")


def test_without_accounts_or_options_it_says_so(run: Run) -> None:
    _, error = run()
    assert "There is no enabled account" in str(error)
    AccountFactory.create()
    output, error = run()
    assert (output, error) == ("No options are held.\n", None)
