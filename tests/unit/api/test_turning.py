"""What counts as a worker process that hangs, and what does not."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from drover_api.live.loop import LiveLoop
from drover_api.live.turning import Turning
from drover_shared.clock import FakeClock, SystemClock
from drover_shared.streams.progress import StalledError
from support.waiting import eventually

LIMIT = 60


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2025, 12, 10, tzinfo=UTC))


@pytest.fixture
def turning(clock: FakeClock) -> Turning:
    return Turning(clock, 2, LIMIT)


def test_a_process_without_work_does_not_hang(clock: FakeClock, turning: Turning) -> None:
    clock.advance(10 * LIMIT)
    turning.check()


def test_one_long_request_leaves_a_thread_for_others(clock: FakeClock, turning: Turning) -> None:
    with turning.request():
        clock.advance(10 * LIMIT)
        turning.check()


def test_requests_that_all_last_are_a_hang_until_one_ends(clock: FakeClock, turning: Turning) -> None:
    with turning.request():
        with turning.request():
            clock.advance(LIMIT)
            turning.check()
            clock.advance(1)
            with pytest.raises(StalledError):
                turning.check()
        turning.check()


def test_a_busy_process_does_not_hang(clock: FakeClock, turning: Turning) -> None:
    """Every thread is taken all the time, by requests that end."""
    with ExitStack() as first:
        first.enter_context(turning.request())
        for _ in range(5):
            with turning.request():
                clock.advance(LIMIT - 1)
                turning.check()


@pytest.fixture
def loop_and_turning() -> Iterator[tuple[LiveLoop, Turning]]:
    turning = Turning(SystemClock(), 2, 1.5)
    loop = LiveLoop(1, turning)
    yield loop, turning
    loop.close()


def test_a_loop_that_somebody_blocks_is_a_hang(loop_and_turning: tuple[LiveLoop, Turning]) -> None:
    loop, turning = loop_and_turning
    gate = threading.Event()

    async def block() -> None:
        gate.wait(30)  # as no coroutine should

    def stalled() -> bool:
        try:
            turning.checks()["live"]()
        except StalledError:
            return True
        return False

    assert not stalled()  # no reader came yet, so it does not run
    blocked = loop.run(block())
    eventually("the hang is seen", stalled, 20)
    gate.set()
    blocked.result(20)
    eventually("it turns again", lambda: not stalled(), 20)
