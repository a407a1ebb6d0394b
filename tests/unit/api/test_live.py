"""The parts of live readers, in a loop of the test's own."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from typing import Any
from uuid import UUID

import pytest
from drover_api.live import sockets
from drover_api.live.bells import Ring
from drover_api.live.board import Board
from drover_api.live.grants import Grant
from drover_api.live.loop import LiveLoop
from drover_api.live.readers import Guard, Places
from drover_api.live.shared_reads import SharedReads
from drover_api.live.sockets import drive
from drover_api.live.turning import Turning
from drover_shared.clock import SystemClock

RUN = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
Do = Callable[[Coroutine[Any, Any, Any]], Any]


class SilentBells:
    """Remembers who listens; `ring` is up to the test."""

    def __init__(self) -> None:
        self.rings: list[Ring] = []

    def add(self, run_id: UUID, ring: Ring) -> None:
        assert run_id == RUN
        self.rings.append(ring)

    def remove(self, run_id: UUID, ring: Ring) -> None:
        assert run_id == RUN
        self.rings.remove(ring)


class Source:
    """A state that the test sets, and how often it was looked up."""

    def __init__(self) -> None:
        self.state = 1
        self.looks = 0
        self.fails = False

    def read(self, keys: Iterable[str]) -> Mapping[str, int]:
        self.looks += 1
        if self.fails:
            raise ConnectionError
        return dict.fromkeys(keys, self.state)


@pytest.fixture
def loop() -> Iterator[LiveLoop]:
    loop = LiveLoop(2, Turning(SystemClock(), 1, 60))
    yield loop
    loop.close()


@pytest.fixture
def do(loop: LiveLoop) -> Do:
    return lambda coroutine: loop.run(coroutine).result(20)


def make_board(
    loop: LiveLoop, source: Source, bells: SilentBells, look_seconds: float = 30
) -> Board[str, int]:
    return Board(
        loop,
        bells,  # type: ignore[arg-type]  # as much of it as a board uses
        source.read,
        lambda _key, _state: RUN,
        gap_seconds=0.0,
        look_seconds=look_seconds,
    )


def test_one_look_serves_all_readers_and_a_bell_wakes_them(loop: LiveLoop, do: Do) -> None:
    source, bells = Source(), SilentBells()
    board = make_board(loop, source, bells)

    async def read(woken: list[int | None], ready: asyncio.Semaphore) -> None:
        async with board.watch("run") as watch:
            version = watch.version
            ready.release()
            assert await watch.news(version)
            woken.append(watch.state)

    async def scene() -> list[int | None]:
        woken: list[int | None] = []
        ready = asyncio.Semaphore(0)
        readers = [asyncio.create_task(read(woken, ready)) for _ in range(500)]
        for _ in readers:
            await ready.acquire()
        looks = source.looks
        source.state = 2
        assert len(bells.rings) == 1
        bells.rings[0]()
        await asyncio.gather(*readers)
        assert (looks, source.looks) == (1, 2)
        return woken

    assert do(scene()) == [2] * 500
    assert bells.rings == []


def test_a_look_that_fails_is_made_up_for(loop: LiveLoop, do: Do) -> None:
    source, bells = Source(), SilentBells()
    source.fails = True
    board = make_board(loop, source, bells, look_seconds=0.01)

    async def scene() -> int | None:
        async def mend() -> None:
            while source.looks < 3:  # noqa: ASYNC110 - the looks are counted in other threads
                await asyncio.sleep(0.001)
            source.fails = False

        mending = asyncio.create_task(mend())
        async with board.watch("run") as watch:
            await mending
            return watch.state

    assert do(scene()) == 1


def test_readers_at_one_place_share_a_read_and_a_failed_one_is_not_remembered(loop: LiveLoop, do: Do) -> None:
    reads, calls = SharedReads(loop), []

    def read(fail: bool) -> bytes:
        calls.append(fail)
        if fail:
            raise ConnectionError
        return b"page"

    async def scene() -> None:
        with pytest.raises(ConnectionError):
            await reads.get("a", len, read, True)
        pages = await asyncio.gather(*(reads.get("a", len, read, False) for _ in range(50)))
        assert pages == [b"page"] * 50
        assert await reads.get("a", len, read, True) == b"page"

    do(scene())
    assert calls == [True, False]


async def pieces(*bodies: bytes) -> AsyncGenerator[bytes, None]:
    for body in bodies:
        yield body


def test_a_stream_goes_in_chunks_and_its_end_is_told(do: Do) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        do(drive(ours, pieces(b"one", b"", b"two" * 100), chunked=True))
        assert theirs.makefile("rb").read() == b"3\r\none\r\n12c\r\n" + b"two" * 100 + b"\r\n0\r\n\r\n"


def test_a_reader_that_goes_ends_its_stream(loop: LiveLoop) -> None:
    ours, theirs = socket.socketpair()
    closed = []

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    driving = loop.run(drive(ours, endless(), chunked=False))
    assert theirs.recv(5) == b"first"
    theirs.close()
    with pytest.raises(CancelledError):
        driving.result(20)
    assert closed == [True]


def test_a_reader_that_takes_nothing_is_left(do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "STALL_SECONDS", 0.05)
    ours, theirs = socket.socketpair()
    made = []

    async def flood() -> AsyncGenerator[bytes, None]:
        while True:
            made.append(True)
            yield bytes(1024 * 1024)

    with theirs:
        do(drive(ours, flood(), chunked=False))
    assert len(made) < 20


def test_who_may_no_longer_read_is_sent_away(loop: LiveLoop, do: Do) -> None:
    stays, goes = Grant(1, 1, None, 7), Grant(2, 2, None, 7)
    guard = Guard(loop, lambda _grants: {stays}, recheck_seconds=0.01)

    async def scene() -> None:
        async def read() -> None:
            await asyncio.Event().wait()

        tasks = [asyncio.create_task(read()) for _ in range(2)]
        for task, grant in zip(tasks, (stays, goes), strict=True):
            guard.watch(task, grant)
        with pytest.raises(asyncio.CancelledError):
            await tasks[1]
        assert not tasks[0].done()
        tasks[0].cancel()

    do(scene())


def test_so_many_places() -> None:
    places = Places(2)
    assert [places.enter() for _ in range(3)] == [True, True, False]
    places.leave()
    assert places.enter()
    places.leave()
    places.leave()


def test_a_loop_that_is_closed_takes_nothing(loop: LiveLoop) -> None:
    loop.close()
    with pytest.raises(RuntimeError):
        loop.run(asyncio.sleep(0))
