"""Frames that wait for slow sockets, and those written at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from config.core.live.outbox import Outbox, broadcast


class Socket:
    """A socket whose sends wait until the test lets one through."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.may_send = asyncio.Semaphore(0)

    async def send(self, text: str) -> None:
        await self.may_send.acquire()
        self.sent.append(text)

    async def settle(self, frames: int) -> None:
        for _ in range(frames):
            self.may_send.release()
        while len(self.sent) < frames:
            await asyncio.sleep(0)


def _tell(story: Callable[[], Awaitable[None]]) -> None:
    async def told() -> None:
        async with asyncio.timeout(5):
            await story()

    asyncio.run(told())


def test_slow_socket_gets_the_newest_frame_and_no_backlog() -> None:
    async def story() -> None:
        socket = Socket()
        outbox = Outbox(socket.send)
        outbox.put("1", name="portfolio")
        await asyncio.sleep(0)
        for number in range(2, 1000):
            outbox.put(str(number), name="portfolio")
        await socket.settle(2)
        assert socket.sent == ["1", "999"]

    _tell(story)


def test_frames_of_different_names_do_not_replace_each_other() -> None:
    async def story() -> None:
        socket = Socket()
        outbox = Outbox(socket.send)
        for name, text in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("c", "c1")]:
            outbox.put(text, name=name)
        await socket.settle(3)
        assert socket.sent == ["a2", "b1", "c1"]

    _tell(story)


def test_broadcast_reaches_fast_sockets_past_a_slow_one() -> None:
    async def story() -> None:
        slow, fast = Socket(), Socket()
        fast.may_send = asyncio.Semaphore(100)
        outboxes = [Outbox(slow.send), Outbox(fast.send)]
        for number in range(3):
            broadcast(outboxes, str(number))
            while len(fast.sent) <= number:
                await asyncio.sleep(0)
        assert fast.sent == ["0", "1", "2"]
        assert slow.sent == []
        for outbox in outboxes:
            await outbox.close()

    _tell(story)


def test_socket_that_is_gone_takes_nothing_more() -> None:
    calls: list[str] = []

    async def send(text: str) -> None:
        calls.append(text)
        raise ConnectionError("gone")

    async def story() -> None:
        outbox = Outbox(send)
        outbox.put("1")
        await asyncio.sleep(0.01)
        outbox.put("2")
        await asyncio.sleep(0.01)
        assert calls == ["1"]

    _tell(story)


def test_closed_outbox_sends_nothing_more() -> None:
    async def story() -> None:
        socket = Socket()
        outbox = Outbox(socket.send)
        outbox.put("1")
        await asyncio.sleep(0)
        await outbox.close()
        socket.may_send.release()
        outbox.put("2")
        await asyncio.sleep(0.01)
        assert socket.sent == []

    _tell(story)


def test_broadcast_encodes_one_frame_for_a_thousand_open_sockets() -> None:
    async def story() -> None:
        written: list[bytes] = []

        def write(frame: bytes) -> bool:
            written.append(frame)
            return True

        socket = Socket()
        outboxes = [Outbox(socket.send, write) for _ in range(1000)]
        broadcast(outboxes, "push")
        assert written == [b"\x81\x04push"] * 1000
        assert len({id(frame) for frame in written}) == 1
        assert len(asyncio.all_tasks()) <= 2

    _tell(story)


def test_frame_that_cannot_be_written_now_waits_and_keeps_the_order() -> None:
    async def story() -> None:
        can_write, written = False, []

        def write(frame: bytes) -> bool:
            if can_write:
                written.append(frame)
            return can_write

        socket = Socket()
        outbox = Outbox(socket.send, write)
        outbox.put("1", name="a")
        await asyncio.sleep(0)
        can_write = True
        # The first one is still on its way: nothing may overtake it.
        outbox.put("2", name="b")
        assert written == []
        await socket.settle(2)
        assert socket.sent == ["1", "2"]
        while outbox._sender is not None:
            await asyncio.sleep(0)
        outbox.put("3", name="a")
        assert written == [b"\x81\x013"]

    _tell(story)


def test_socket_that_wants_changes_seldom_gets_the_newest_snapshot_when_it_is_time() -> None:
    async def story() -> None:
        socket, made = Socket(), iter(range(1, 100))
        outbox = Outbox(socket.send)
        outbox.every = 3600
        outbox.put_seldom(lambda: f"snapshot {next(made)}")
        await socket.settle(1)
        for _ in range(5):
            outbox.put_seldom(lambda: f"snapshot {next(made)}")
        outbox.put("progress", name="progress")
        await socket.settle(2)
        assert socket.sent == ["snapshot 1", "progress"]
        outbox.clear()
        # The next one's time has come.
        outbox.every = 0
        outbox.put_seldom(lambda: f"snapshot {next(made)}")
        outbox.put_seldom(lambda: f"snapshot {next(made)}")
        await socket.settle(3)
        assert socket.sent[2:] == ["snapshot 2"]

    _tell(story)
