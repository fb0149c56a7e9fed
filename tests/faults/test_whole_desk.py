"""The whole desk loses each of its parts under open pages and running syncs, and goes on.

It takes a minute of processor time, so it runs only when asked to; the other tests here break one
part each. ``FAULT_DESK_KILLS=30`` kills each process thirty times, ``FAULT_DATABASE_FAULTS=5``
pauses and kills PostgreSQL five times each. It ends with a table; ``-s`` shows the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.faults.recovery import note_recovery
from tests.faults.whole_desk import (
    OPEN_PAGES,
    PATHS,
    Answer,
    WholeDesk,
    seconds_of,
    whole_desk,
)
from tests.servers.postgres import NoPostgres, RunningPostgres, postgres_server

KILLS = int(os.environ.get("FAULT_DESK_KILLS", "0"))
DATABASE_FAULTS = int(os.environ.get("FAULT_DATABASE_FAULTS", "1"))
ROLES = ("desk-web", "desk-worker", "desk-beat", "desk-streams")
#: A hanging database holds no page longer.
LONGEST_PAGE_SECONDS = 5.0
_MINUTES = """
SELECT count(*), count(DISTINCT minute),
  1 + extract(epoch FROM max(minute) - min(minute)) / 60
FROM greek_snapshots GROUP BY instrument_key, expiry
"""

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not KILLS, reason="long: FAULT_DESK_KILLS=30 kills each process so often"),
]


@pytest.fixture(scope="module")
def postgres() -> Iterator[RunningPostgres]:
    try:
        with postgres_server() as server:
            yield server
    except NoPostgres as reason:
        pytest.skip(str(reason))


def say(line: str) -> None:
    print(f"  {line}", flush=True)  # noqa: T201


def answers_say_what_holds(answers: list[Answer]) -> None:
    """Never a fault of the code: an answer, 503, or nobody there. And never a page that hangs."""
    assert {answer.status for answer in answers} <= {0, 200, 304, 503}, seconds_of(answers)
    # A machine that does everything at once doubles it.
    slowest = max(answers, key=lambda answer: answer.seconds)
    assert slowest.seconds < 2 * LONGEST_PAGE_SECONDS, slowest


@pytest.mark.timeout(600 + 400 * (KILLS + DATABASE_FAULTS))
def test_desk_loses_each_part_and_goes_on(postgres: RunningPostgres) -> None:
    with whole_desk(DATABASE_URL=postgres.url) as desk:
        kill_each(desk)
        lose_the_database(desk, postgres)
        desk.wait_for_new_book()
        assert desk.visitors.gaps == []
        # Each kill of web ended all of them.
        assert desk.visitors.connections > OPEN_PAGES
        say(f"{desk.visitors.frames} frames on {desk.visitors.connections} connections")
        # What was missed while a part was away is made up at the next minutes.
        desk.wait_for_work()
    every_minute_is_there_once(postgres)


def kill_each(desk: WholeDesk) -> None:
    taken: dict[str, list[float]] = {name: [] for name in ROLES}
    begun = len(desk.visitors.answers)
    for _ in range(KILLS):
        for name in ROLES:
            taken[name].append(desk.kill(name))
            # A process that ends thrice within ten seconds each ends the desk.
            time.sleep(3 if KILLS > 1 else 0)
    for name in ROLES:
        note_recovery(f"{name.removeprefix('desk-')} killed", taken[name])
    answers = desk.visitors.answers[begun:]
    say(f"pages meanwhile: {seconds_of(answers)}")
    answers_say_what_holds(answers)


def lose_the_database(desk: WholeDesk, postgres: RunningPostgres) -> None:
    for name in ("paused", "killed"):
        begun, taken = len(desk.visitors.answers), []
        for turn in range(DATABASE_FAULTS):
            seconds = 8 + 5 * turn
            if name == "paused":
                with postgres.paused():
                    time.sleep(seconds)
            else:
                postgres.kill()
                time.sleep(seconds)
                postgres.start()
            taken.append(desk.wait_for_work())
            time.sleep(5 if DATABASE_FAULTS > 1 else 0)
        answers = desk.visitors.answers[begun:]
        note_recovery(f"PostgreSQL {name}", taken)
        say(f"pages while PostgreSQL was {name}:")
        for path in PATHS:
            say(f"  {path}: {seconds_of([one for one in answers if one.path == path])}")
        answers_say_what_holds(answers)


def every_minute_is_there_once(postgres: RunningPostgres) -> None:
    with psycopg.connect(postgres.url) as connection:
        chains = connection.execute(_MINUTES).fetchall()
        running = connection.execute(
            "SELECT count(*) FROM sync_runs WHERE outcome = 'running'"
        ).fetchone()
    assert chains
    for rows, minutes, expected in chains:
        assert rows == minutes == expected
    assert running is not None
    assert running[0] <= 2
