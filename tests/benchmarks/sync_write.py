"""*sync write*: what a sync of 200 positions costs the database, against ``bulk_create`` of 200."""

from __future__ import annotations

from collections.abc import Callable

from tests.benchmarks.home import home, in_django
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.rounds import Row, interleaved, median, seconds
from tests.servers.postgres import NoPostgres, running_postgres

BAR = 12.0
EACH = 5


def measure(options: Options) -> list[Row]:
    function = "tests.benchmarks.sync_write:measure_here"
    with home() as environment:
        rows = in_django(function, environment, options)
    try:
        with running_postgres() as url, home(DATABASE_URL=url) as environment:
            return rows + in_django(function, environment, options)
    except NoPostgres as reason:
        raise NotMeasured(f"PostgreSQL did not start: {reason}") from None


def measure_here(options: Options) -> list[Row]:
    """Ways to write, in turn, on the database of the settings."""
    from django.db import connection, transaction
    from django.db.models import Model
    from django.test.utils import CaptureQueriesContext

    from config.core.clock import now
    from greeks.models import ContractGreekHistory, ContractGreeks
    from portfolio.models import Position, PriceBar, Quote, SyncRun
    from portfolio.sync import fetch as sync_fetch
    from portfolio.sync import run as sync
    from tests.benchmarks.book import POSITIONS
    from tests.factories import AccountFactory
    from tests.portfolio.books import FakeAdapter, FakeBroker, option, order, position

    script = FakeBroker(
        positions=[position(option(300 + number), -2) for number in range(POSITIONS)],
        orders=[order(str(number)) for number in range(5)],
    )
    for module in (sync, sync_fetch):
        module.open_adapter = lambda _broker: FakeAdapter(script)  # type: ignore[attr-defined]
    account = AccountFactory()
    peer = AccountFactory()

    def whole() -> float:
        trigger = SyncRun.Trigger.COMMAND
        taken = seconds(lambda: sync.sync_account(account_id=account.pk, trigger=trigger))
        if SyncRun.objects.latest("finished_at").outcome != SyncRun.Outcome.SUCCEEDED:
            raise NotMeasured("a sync did not succeed")
        return taken

    def write() -> float:
        """The transaction of a sync alone: the book is fetched, checked and valued before."""
        book = sync_fetch.fetch_book(
            account=account, adapter=FakeAdapter(script), step=lambda _: None
        )
        run = SyncRun.objects.create(
            account=account, trigger=SyncRun.Trigger.COMMAND, requested_at=now(), started_at=now()
        )
        account.refresh_from_db()
        return seconds(lambda: sync._write(account.pk, run, book, seen=account.last_synced_at))

    def create() -> float:
        """The peer: the ORM inserts the same 200 positions, and nothing else."""
        rows = list(Position.objects.filter(account=account))
        for row in rows:
            row.pk, row.account = None, peer
        taken = seconds(lambda: _create(rows))
        Position.objects.filter(account=peer).delete()
        return taken

    def _create(rows: list[Position]) -> None:
        with transaction.atomic():
            Position.objects.bulk_create(rows)

    tables: dict[type[Model], list[str]] = {
        Quote: ["instrument"],
        ContractGreeks: ["instrument"],
        ContractGreekHistory: ["instrument", "minute"],
        PriceBar: ["instrument", "minute"],
        Position: ["account", "instrument", "sub_key"],
    }

    def upsert() -> float:
        """The other peer: the ORM upserts the rows of the five large tables that a sync writes."""
        rows = {model: list(model._default_manager.all()) for model in tables}
        for row in (row for model in tables for row in rows[model]):
            if row._meta.auto_field is not None:
                row.pk = None
        return seconds(lambda: _upsert(rows))

    def _upsert(rows: dict[type[Model], list[Model]]) -> None:
        with transaction.atomic():
            for model, unique in tables.items():
                fields = [field for field in model._meta.concrete_fields if not field.primary_key]
                model._default_manager.bulk_create(
                    rows[model],
                    update_conflicts=True,
                    unique_fields=unique,
                    update_fields=[field.name for field in fields if field.name not in unique],
                )

    whole()
    times = interleaved(
        {"write": write, "create": create, "upsert": upsert, "whole": whole},
        rounds=options.rounds,
        each=EACH,
    )
    with CaptureQueriesContext(connection) as queries:
        whole()
    in_statements: list[float] = []

    def timed(execute: Callable[..., object], *arguments: object) -> object:
        answer: list[object] = []
        in_statements.append(seconds(lambda: answer.append(execute(*arguments))))
        return answer[0]

    def statements() -> float:
        account.refresh_from_db()
        in_statements.clear()
        with connection.execute_wrapper(timed):
            whole()
        return sum(in_statements)

    middle_statements = 1000 * median([statements() for _ in range(EACH)])
    middle = {name: median(values) * 1000 for name, values in times.items()}
    vendor = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]
    return [
        Row(
            name=f"sync write, {vendor}: transaction",
            measured=middle["write"],
            bar=BAR,
            unit="ms",
            note="Upserts of 200 positions, their quotes, Greeks, the minute's bars and Greeks, "
            "5 orders, summary, history, run. Bar: the design's ORM bulk figure.",
        ),
        Row(
            name=f"sync write, {vendor}: ÷ bulk_create",
            measured=middle["write"],
            bar=middle["create"],
            unit="ms",
            note="Bar: plain bulk_create of the 200 positions alone (a fifth of the rows), in the "
            "same rounds.",
        ),
        Row(
            name=f"sync write, {vendor}: ÷ ORM upserts",
            measured=middle["write"],
            bar=middle["upsert"],
            unit="ms",
            note="Bar: bulk_create(update_conflicts=True) of all rows of the five large tables, "
            "ready made, in the same rounds.",
        ),
        Row(
            name=f"sync write, {vendor}: whole sync",
            measured=middle["whole"],
            unit="ms",
            note=f"With a broker that answers at once; {len(queries)} statements, in which "
            f"{middle_statements:.1f} ms pass. The rest is fetching rows, checking and valuing.",
        ),
    ]
