"""What /livez tells of the thread that hears messages: it turns while it waits; a task that hangs is seen."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from celery.worker import state
from drover_scheduler.messages import Listener, scheduler_app
from drover_shared.clock import FakeClock
from drover_shared.queue import Doorbell
from drover_shared.streams.progress import Progress, StalledError
from support.servers import StackServers
from support.waiting import eventually

LONG = 1000.0  # more than a loop may be silent for


class Heard:
    """Hears of jobs, and holds the worker's thread while `open` is not set."""

    def __init__(self) -> None:
        self.jobs: list[int] = []
        self.open = threading.Event()
        self.open.set()

    def __call__(self, job_id: int) -> None:
        self.jobs.append(job_id)
        assert self.open.wait(60)


class Watch:
    """A listener's progress, by a clock that moves in leaps."""

    def __init__(self) -> None:
        self.clock = FakeClock(datetime.now(UTC))
        self.progress = Progress(self.clock)

    def turns(self) -> bool:
        """Whether it has come round since the last leap."""
        try:
            self.progress.check()
        except StalledError:
            return False
        return True

    def leap(self) -> None:
        self.clock.advance(LONG)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def watch(redis_url: str, heard: Heard) -> Iterator[Watch]:
    """Of a listener that runs."""
    watch, stop = Watch(), threading.Event()
    listener = Listener(scheduler_app(redis_url, heard), stop, watch.progress)
    listener.start()
    yield watch
    heard.open.set()
    stop.set()
    listener.close(20)
    state.should_stop = None  # Celery's own word to all workers of a process


def test_it_is_watched_through_everything(
    stack_servers: StackServers, redis_url: str, heard: Heard, watch: Watch
) -> None:
    bell = Doorbell(redis_url)
    eventually("it hears", lambda: bell.job_waits(1) and 1 in heard.jobs)
    watch.leap()
    eventually("it turns with nothing to do", watch.turns)
    heard.open.clear()
    eventually("a task hangs", lambda: bell.job_waits(2) and 2 in heard.jobs)
    watch.leap()
    assert not watch.turns()
    heard.open.set()
    eventually("it turns again", watch.turns)
    stack_servers.kill("redis")
    try:
        watch.leap()
        eventually("it turns while Redis is away", watch.turns)
    finally:
        stack_servers.restart("redis")
    eventually("it hears again", lambda: bell.job_waits(3) and 3 in heard.jobs)
    watch.leap()
    eventually("the next worker turns, too", watch.turns)
    bell.close()
