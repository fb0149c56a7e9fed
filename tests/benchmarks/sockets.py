"""*sockets* (information): a commit, and when the last of 100 open pages has its numbers."""

from __future__ import annotations

import asyncio
import json
import os
import time

from tests.benchmarks.home import home, in_django, web_process
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.rounds import Row, median

SOCKETS = 100
LONGEST_SECONDS = 20.0


def measure(options: Options) -> list[Row]:
    with home() as environment:
        return in_django("tests.benchmarks.sockets:measure_here", environment, options)


def measure_here(options: Options) -> list[Row]:
    from tests.benchmarks.book import make_book, signed_in

    user, cookie = signed_in()
    account = make_book(user)
    origin = "http://127.0.0.1"
    with web_process(dict(os.environ) | {"WEBSOCKET_ORIGINS": origin}) as web:
        address = f"ws://127.0.0.1:{web.port}/ws/portfolio"
        times = asyncio.run(_rounds(address, origin, cookie, account.pk, options.rounds))
    first, last = (median([each[place] for each in times]) * 1000 for place in (0, -1))
    return [
        Row(
            name=f"sockets: commit → last of {SOCKETS}",
            measured=last,
            unit="ms",
            note=f"One position of 200 changes. The first page has it after {first:.0f} ms. "
            "All sockets are read by one Python process on the same machine.",
        )
    ]


async def _rounds(
    address: str, origin: str, cookie: str, account_id: str, rounds: int
) -> list[list[float]]:
    """Return seconds from the commit to each socket's frame, sorted, round by round."""
    from websockets.asyncio.client import ClientConnection, connect

    async def open_one() -> ClientConnection:
        return await connect(
            address,
            origin=origin,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookie},
            compression=None,
            max_size=None,
        )

    async def arrival(socket: ClientConnection, version: int) -> float:
        while True:
            frame = json.loads(await socket.recv())
            if frame["type"] != "sync.progressed" and frame["version"] >= version:
                return time.perf_counter()

    sockets = [await open_one() for _ in range(SOCKETS)]
    try:
        async with asyncio.timeout(LONGEST_SECONDS * (rounds + 1)):
            await asyncio.gather(*(arrival(socket, 1) for socket in sockets))
            measured = []
            for number in range(rounds + 1):
                waiting = [asyncio.create_task(arrival(s, number + 2)) for s in sockets]
                begun = await asyncio.to_thread(_commit, account_id)
                arrived = await asyncio.gather(*waiting)
                if number:
                    measured.append(sorted(moment - begun for moment in arrived))
    except TimeoutError:
        raise NotMeasured("not every socket got every frame") from None
    finally:
        await asyncio.gather(*(socket.close() for socket in sockets))
    return measured


def _commit(account_id: str) -> float:
    """Change one position as a sync does, and return when it was committed."""
    from decimal import Decimal

    from django.db import transaction
    from django.db.models import F

    from portfolio.models import Account, Position
    from portfolio.sync.progress import announce_change

    with transaction.atomic():
        Account.objects.filter(pk=account_id).update(book_version=F("book_version") + 1)
        position = Position.objects.filter(account=account_id).order_by("id")[0]
        position.price = (position.price or Decimal(0)) + 1
        position.save(update_fields=["price"])
    begun = time.perf_counter()
    announce_change(account_id, Account.objects.get(pk=account_id).book_version)
    return begun
