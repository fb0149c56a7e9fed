"""The gateway's socket between processes: Redis or its owner is lost amid a question."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from config.core.errors import RetryableError
from config.core.redis.client import reset_guards
from tests.config.core.servers import OwnValkey
from tests.portfolio.brokers.ibkr_socket.ibkr_socket_support import (
    ACCOUNT,
    ScriptedGateway,
    owned,
    position,
    told,
)


@pytest.fixture
def own_valkey(settings: Settings) -> Any:
    server = OwnValkey()
    server.start()
    settings.REDIS_URL = server.url
    yield server
    server.remove()


def test_redis_lost_between_owner_and_asker_ends_the_question_and_not_the_socket(
    own_valkey: OwnValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portfolio.brokers.ibkr_socket.asking.ANSWER_SECONDS", 1.0)

    async def story() -> None:
        async with ScriptedGateway() as gateway:
            asked = asyncio.Event()
            gateway.answers[61] = _silently(asked)
            async with owned(gateway.host, gateway.port) as own:
                asked.clear()
                began = time.monotonic()
                question = asyncio.create_task(own.ask("fetch_positions", ACCOUNT))
                await asked.wait()
                await asyncio.to_thread(own_valkey.kill)
                with pytest.raises(RetryableError, match="Redis was lost"):
                    await question
                assert time.monotonic() - began < 10
                await asyncio.to_thread(own_valkey.start)
                reset_guards()
                gateway.answers[61] = lambda _: [position(), (62, 1)]
                await own.connected()
                assert len((await own.ask("fetch_positions", ACCOUNT)).items) == 1
                assert gateway.connections == 1

    told(story)


def _silently(asked: asyncio.Event) -> Any:
    """No answer, but the test learns of the question."""

    def answer(_: list[str]) -> list[Any]:
        asked.set()
        return []

    return answer


OWNER = """
import asyncio, os, django
django.setup()
from django.conf import settings
settings.REDIS_URL = os.environ["REDIS_OF_THE_TEST"]
from tests.portfolio.brokers.ibkr_socket.ibkr_socket_support import owned
async def main():
    async with owned("127.0.0.1", int(os.environ["PORT"])) as own:
        print("connected", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.processes
def test_owner_killed_in_the_middle_fails_its_asker_and_another_takes_over(
    settings: Settings, own_valkey: OwnValkey
) -> None:
    root = Path(__file__).resolve().parents[2]

    async def story() -> None:
        async with ScriptedGateway() as gateway:
            asked = asyncio.Event()
            process = subprocess.Popen(
                [sys.executable, "-c", OWNER],
                cwd=root,
                env=os.environ
                | {
                    "DJANGO_SETTINGS_MODULE": "config.settings.test",
                    "REDIS_OF_THE_TEST": own_valkey.url,
                    "PORT": str(gateway.port),
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            try:
                assert process.stdout is not None
                line = await asyncio.to_thread(process.stdout.readline)
                assert line.strip().endswith(b"connected")
                gateway.answers[61] = _silently(asked)
                from portfolio.brokers.ibkr_socket.adapter import SocketAdapter

                adapter = SocketAdapter("ibkr_socket@test")
                question = asyncio.create_task(asyncio.to_thread(adapter.fetch_positions, ACCOUNT))
                await asked.wait()
                process.send_signal(signal.SIGKILL)
                with pytest.raises(RetryableError):
                    await question
                gateway.answers[61] = lambda _: [position(), (62, 1)]
                async with owned(gateway.host, gateway.port) as own:
                    assert len((await own.ask("fetch_positions", ACCOUNT)).items) == 1
            finally:
                process.kill()
                await asyncio.to_thread(process.wait)
                if process.stdout is not None:
                    process.stdout.close()

    told(story)
