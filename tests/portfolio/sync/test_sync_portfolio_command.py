from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from config.core.errors import RetryableError
from config.core.redis.locks import subject_lock
from portfolio.brokers.base import BrokerAdapter
from portfolio.models import Account, SyncRun
from portfolio.sync import fetch as sync_fetch
from portfolio.sync import run as sync
from tests.factories import AccountFactory
from tests.portfolio.books import FakeAdapter, FakeBroker, position, stock

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
Run = Callable[..., tuple[str, CommandError | None]]


@pytest.fixture
def account() -> Account:
    return AccountFactory.create(account_id="DU1")


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
    script = FakeBroker(positions=[position(stock(), 5)])

    def open_adapter(_: str) -> BrokerAdapter:
        return FakeAdapter(script)

    for module in (sync, sync_fetch):
        monkeypatch.setattr(module, "open_adapter", open_adapter)
    return script


@pytest.fixture
def run() -> Run:
    def call(*arguments: str) -> tuple[str, CommandError | None]:
        out = io.StringIO()
        try:
            call_command("sync_portfolio", *arguments, stdout=out, stderr=io.StringIO())
        except CommandError as error:
            return out.getvalue(), error
        return out.getvalue(), None

    return call


def test_all_accounts_are_synced_and_reported(
    account: Account, broker: FakeBroker, run: Run
) -> None:
    AccountFactory.create(account_id="DU2")
    AccountFactory.create(account_id="DU3", enabled=False)

    output, error = run()

    assert error is None
    assert output.splitlines() == ["DU1: succeeded, 1 positions", "DU2: succeeded, 1 positions"]
    assert set(SyncRun.objects.values_list("trigger", flat=True)) == {"command"}


def test_only_the_named_account_is_synced(account: Account, broker: FakeBroker, run: Run) -> None:
    AccountFactory.create(account_id="DU2")

    output, _ = run("--account", "DU2")

    assert output.splitlines() == ["DU2: succeeded, 1 positions"]


def test_unknown_account_is_named_with_the_known_ones(account: Account, run: Run) -> None:
    _, error = run("--account", "DU9")

    assert error is not None
    assert str(error) == "No enabled account is named DU9. Known: DU1."


def test_desk_without_accounts_says_how_to_add_one(run: Run) -> None:
    _, error = run()

    assert error is not None
    assert "add_account" in str(error)


def test_failure_of_one_ends_non_zero_after_the_others(
    account: Account, broker: FakeBroker, run: Run
) -> None:
    AccountFactory.create(account_id="DU2")

    def fail_first(step: str) -> None:
        if broker.opened == 1 and step == "positions":
            raise RetryableError("IBKR did not answer.")

    broker.before = fail_first

    output, error = run()

    assert output.splitlines() == [
        "DU1: failed, Positions: IBKR did not answer.",
        "DU2: succeeded, 1 positions",
    ]
    assert error is not None
    assert str(error) == "1 of 2 accounts were not synced."
    assert error.returncode != 0


def test_account_that_someone_else_syncs_is_no_failure(
    account: Account, broker: FakeBroker, run: Run
) -> None:
    with subject_lock(sync.sync_subject("DU1"), seconds=10):
        output, error = run()

    assert error is None
    assert output.startswith("DU1: skipped")


def test_json_is_one_object_a_line(account: Account, broker: FakeBroker, run: Run) -> None:
    output, _ = run("--json")

    (line,) = output.splitlines()
    result = json.loads(line)
    assert result["account_id"] == "DU1"
    assert result["outcome"] == "succeeded"
    assert result["counts"]["positions_stored"] == 1
    assert result["run_id"] == str(SyncRun.objects.get().pk)


def test_watching_syncs_at_each_interval_until_interrupted(
    account: Account, broker: FakeBroker, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.sleep", sleep)

    output, error = run("--watch")

    assert len(output.splitlines()) == 3
    assert slept == [30.0] * 3
    assert error is not None
    assert error.returncode == 130


def test_bar_is_drawn_on_a_terminal_only(
    account: Account, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def drawn(stream: io.StringIO) -> str:
        monkeypatch.setattr("sys.stderr", stream)
        call_command("sync_portfolio", stdout=io.StringIO(), stderr=stream)
        return stream.getvalue()

    assert "0/1 DU1" in drawn(Terminal())
    plain: Any = drawn(io.StringIO())
    assert plain == ""
