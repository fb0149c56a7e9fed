"""*cold first load*: no Greeks are stored, so that a read fetches them before it answers.

The provider's time is the longest chain of calls that one account's read has to wait for, each
answered after half a second. Accounts are asked at the same time, calls of one account follow each
other. What is measured beyond it is ours: decoding, pauses between polls, the write, the page.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.benchmarks.home import WebProcess, home, in_django, web_process
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.rounds import Row, median

if TYPE_CHECKING:
    from config.core.sandbox.server import Sandbox

ANSWER_SECONDS = 0.5
BAR = 1.5
FAST = "/api/portfolio/risk-monitor/fast"


def measure(options: Options) -> list[Row]:
    with home(
        TASTYTRADE_CLIENT_SECRET="simulated-client-secret",
        TASTYTRADE_REFRESH_TOKEN="simulated-refresh-token",
        IBKR_PORTAL_CALLS_PER_SECOND="0",
        IBKR_PORTAL_ENDPOINT_SECONDS="0",
        GREEKS_CALLS_PER_MINUTE="600",
    ) as environment:
        return in_django("tests.benchmarks.cold_load:measure_here", environment, options)


def measure_here(options: Options) -> list[Row]:
    """Both brokers' accounts of the simulated market, read through a web process."""
    from config.core.sandbox.server import Sandbox, open_market

    with Sandbox(market=open_market(seed=7), limits=False) as sandbox:
        # Settings read them when Django loads, which the web processes do after this.
        os.environ["IBKR_PORTAL_URL"] = sandbox.url("ibkr_portal")
        os.environ["TASTYTRADE_URL"] = sandbox.url("tastytrade")
        cookie = _connect_accounts(sandbox)
        sandbox.faults.add(delay=ANSWER_SECONDS, times=None)
        with web_process(os.environ) as web:
            _load(sandbox, web, cookie)
            open_session = [_load(sandbox, web, cookie) for _ in range(options.rounds)]
        new_session = []
        for _ in range(options.rounds):
            _forget_sessions(sandbox)
            with web_process(os.environ) as web:
                new_session.append(_load(sandbox, web, cookie))
    return [
        _row("cold first load: Greeks missing", open_session),
        _row("cold first load: log-in missing too", new_session),
    ]


@dataclass(frozen=True, slots=True)
class Load:
    """Seconds of one first load, and the paths that each server was asked for."""

    taken: float
    asked: Mapping[str, list[str]]

    @property
    def provider(self) -> float:
        return ANSWER_SECONDS * max(len(paths) for paths in self.asked.values())


def _row(name: str, loads: list[Load]) -> Row:
    taken = median([load.taken for load in loads])
    provider = median([load.provider for load in loads])
    asked = "\n".join(f"{server}: {', '.join(paths)}" for server, paths in loads[-1].asked.items())
    return Row(
        name=name,
        measured=taken,
        bar=BAR * provider,
        unit="s",
        note=f"Bar: {BAR} × {provider:.1f} s, the provider's time: {ANSWER_SECONDS} s × the calls "
        f"of the account that needs most. {taken / provider:.2f} × that, and "
        f"{taken / ANSWER_SECONDS:.1f} × one answer.\n{asked}",
    )


def _load(sandbox: Sandbox, web: WebProcess, cookie: str) -> Load:
    """Time one read while no Greeks are known and the gateway streams nothing."""
    from django.db.models import F

    from config.core.clock import now
    from greeks.models import ContractGreeks
    from portfolio.models import Account, Position, Quote

    # Not at the front door: for a second it would answer with the body from before.
    with web.connect(cookie=cookie, at_django=True) as desk:
        # Whatever a process does once, but asking a provider, is done.
        desk.get("/api/portfolio/accounts")
        ContractGreeks.objects.all().delete()
        Quote.objects.all().delete()
        names = ("delta", "gamma", "theta", "vega", "iv")
        empty = dict.fromkeys([*names, *(f"{name}_raw" for name in names)])
        Position.objects.update(**empty)
        Account.objects.update(book_version=F("book_version") + 1, last_synced_at=now())
        sandbox.applications["ibkr_portal"].session.unsubscribe_all()
        sandbox.faults.forget_requests()
        answer = desk.get(FAST)
    asked: dict[str, list[str]] = {}
    for request in sandbox.faults.requests():
        asked.setdefault(request.server, []).append(request.path.rpartition("/")[2])
    if not asked:
        raise NotMeasured("the read asked no provider")
    legs = [row for row in json.loads(answer.content)["positions"] if row["right"]]
    if not legs or any(row["delta"] is None for row in legs):
        raise NotMeasured("the read did not bring every option's Greeks")
    return Load(answer.last_byte, asked)


def _connect_accounts(sandbox: Sandbox) -> str:
    """Connect and sync the simulated accounts; the ``Cookie`` of their owner."""
    from django.test import override_settings

    from portfolio.accounts.connecting import connect_account
    from portfolio.models import SyncRun
    from portfolio.sync.run import sync_account
    from tests.benchmarks.book import signed_in

    user, cookie = signed_in()
    with override_settings(
        IBKR_PORTAL_URL=os.environ["IBKR_PORTAL_URL"], TASTYTRADE_URL=os.environ["TASTYTRADE_URL"]
    ):
        for simulated in sandbox.books.accounts():
            account = connect_account(
                broker=simulated.broker,
                account_number=simulated.account_number,
                owner=user,
                label="",
                base_currency=simulated.currency,
                simulated=True,
            )
            run = sync_account(account_id=account.pk, trigger=SyncRun.Trigger.COMMAND)
            if run.outcome != SyncRun.Outcome.SUCCEEDED:
                raise NotMeasured(f"{account.pk}: {run.error_code} {run.error}")
    return cookie


def _forget_sessions(sandbox: Sandbox) -> None:
    """As on a machine that was just switched on: no preparing call is remembered."""
    from config.core.redis.client import redis_client

    names = list(redis_client().scan_iter(match="*ibkr_portal*"))
    if not names:
        raise NotMeasured("the gateway's session is remembered under another name")
    redis_client().delete(*names)
