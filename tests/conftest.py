"""Fixtures of every test: a real Valkey a process, and the mark of tests that use the database.

The settings (``config/settings/test.py``) name the Valkey's address before it runs, because they
are read before any fixture. Each parallel worker is a process with a Valkey of its own.
"""

from __future__ import annotations

import os
import random
import shutil
import unittest
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from django.conf import settings
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

from tests.migrated_tables import MigratedTables
from tests.migrated_template import own_database
from tests.own_memory import forget_own_memory
from tests.servers.chromium import has_browser
from tests.servers.valkey import RunningValkey

# How long an example takes says how busy the machine is, not whether the code is right. Each run
# draws other examples, so fewer of them a run.
hypothesis.settings.register_profile("desk", deadline=None, max_examples=50)
hypothesis.settings.load_profile("desk")

pytest_plugins = ["tests.sandbox_server"]

DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server"}


# The tests of such a folder or module run one after the other in one worker, and first: each worker
# that had some would start desks and a browser of its own, and the longest must not begin last.
IN_ONE_WORKER = ("tests/e2e/", "tests/faults/", "tests/portfolio/demo/test_demo_command.py")


def _unit(nodeid: str) -> str:
    """Return the folder or module that a test shares a worker with, or the test itself."""
    return next((folder for folder in IN_ONE_WORKER if nodeid.startswith(folder)), nodeid)


class Scheduling(LoadScopeScheduling):
    """Hand out tests one by one in random order, except for folders that stay together."""

    def _split_scope(self, nodeid: str) -> str:
        return _unit(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return Scheduling(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", type=int, help="run at most so many cases of each test, at random")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Iterator[None]:
    """Mark what touches the database, before ``-m database`` chooses; then keep folders together.

    Packages that start desks end them with their last test.
    """
    for item in items:
        needed = set(getattr(item, "fixturenames", ()))
        case = getattr(item, "cls", None)
        if (
            needed & DATABASE_FIXTURES
            or item.get_closest_marker("django_db")
            or (case and issubclass(case, unittest.TestCase) and _uses_database(case))
        ):
            item.add_marker(pytest.mark.database)
        if item.get_closest_marker("browser") and not has_browser():
            item.add_marker(pytest.mark.skip(reason="no Chromium with chromedriver here"))
    yield
    if most := config.getoption("cases"):
        _deselect_cases(config, items, most)
    items.sort(key=_place)


def _deselect_cases(config: pytest.Config, items: list[pytest.Item], most: int) -> None:
    """Keep so many cases of each parametrised test, drawn by the seed of the random order."""
    cases: dict[str, list[str]] = {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item.nodeid)
    chance = random.Random(config.getoption("randomly_seed", 0))
    drawn = {
        nodeid
        for _, nodeids in sorted(cases.items())
        for nodeid in chance.sample(sorted(nodeids), min(most, len(nodeids)))
    }
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in drawn])
    items[:] = [item for item in items if item.nodeid in drawn]


def _place(item: pytest.Item) -> int:
    """Return where a test stands: folders that stay together first, the rest as it was shuffled."""
    unit = _unit(item.nodeid)
    return IN_ONE_WORKER.index(unit) if unit in IN_ONE_WORKER else len(IN_ONE_WORKER)


def _uses_database(case: type[unittest.TestCase]) -> bool:
    return issubclass(case, TransactionTestCase)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the data folder that the settings made; workers share it with the first process."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = Path(os.environ.get("VAR_DIR", ""))
        if folder.name.startswith("greekdesk-test-"):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """The migrated database, to which a test that commits returns when it ends."""
    with django_db_blocker.unblock(), own_database():
        tables = MigratedTables()
        with django_db_blocker.block(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: tables.restore())
            yield


@pytest.fixture(scope="session", autouse=True)
def _valkey_of_the_process() -> Iterator[RunningValkey]:
    path = settings.REDIS_URL.removeprefix("unix://").partition("?")[0]
    server = RunningValkey(Path(path))
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _nothing_remembered(_valkey_of_the_process: RunningValkey) -> None:
    """Each test starts with an empty Valkey and empty caches, as a new process would."""
    _valkey_of_the_process.empty()
    forget_own_memory()


@pytest.fixture
def valkey(_valkey_of_the_process: RunningValkey) -> RunningValkey:
    """The real Valkey behind ``REDIS_URL`` and ``CACHE_URL``, empty when the test starts."""
    return _valkey_of_the_process
