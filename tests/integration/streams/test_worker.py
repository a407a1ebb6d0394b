"""The worker's loop against a real Redis: at least once, in order of committing before acknowledging."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

import redis
from drover_shared.clock import SystemClock
from drover_shared.domain.errors import InfrastructureError
from drover_shared.streams.failures import StopWorkerError
from drover_shared.streams.group import ConsumerGroup, Entry, GroupSettings, stream_client
from drover_shared.streams.progress import Progress, StalledError
from drover_shared.streams.worker import StreamWorker, Turns, Work
from support.servers import StackServers
from support.waiting import eventually

SETTINGS = GroupSettings("things", "workers", count=8, block_ms=50, claim_idle_ms=300)


def numbers(entries: Sequence[Entry]) -> list[int]:
    return [int(entry.fields[b"n"]) for entry in entries]


@dataclass
class Sink:
    """Where a test's worker commits to; `fail` says whether a commit fails."""

    fail: Callable[[list[int]], Exception | None] = lambda _: None
    committed: list[int] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def commit(self, batch: list[int]) -> None:
        error = self.fail(batch)
        if error is not None:
            raise error
        with self.changed:
            self.committed += batch
            self.changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(set(self.committed)) >= count, timeout=20), (
                self.committed
            )


@dataclass
class Running:
    """A worker in a thread."""

    url: str
    work: Work[list[int]]
    stop: threading.Event = field(default_factory=threading.Event)
    turns: Turns = field(
        default_factory=lambda: Turns(Progress(SystemClock(), 1), Progress(SystemClock(), 1))
    )
    error: Exception | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        group = ConsumerGroup(stream_client(self.url), SETTINGS, "a")
        try:
            StreamWorker(group, SETTINGS, self.work, self.stop, self.turns).run()
        except StopWorkerError as error:
            self.error = error


def add(client: "redis.Redis", low: int, high: int) -> None:
    for number in range(low, high):
        client.xadd("things", {b"n": str(number).encode()})


def test_entries_are_committed_then_gone(redis_url: str, redis_client: "redis.Redis") -> None:
    sink = Sink()
    add(redis_client, 0, 50)
    with Running(redis_url, Work(numbers, sink.commit)):
        add(redis_client, 50, 100)
        sink.wait_for(100)
    assert sorted(sink.committed) == list(range(100))
    assert redis_client.xlen("things") == 0


def test_a_dependency_that_is_away_is_waited_for(redis_url: str, redis_client: "redis.Redis") -> None:
    errors = [InfrastructureError("away"), OSError("away"), KeyError("a mistake")]
    sink = Sink(fail=lambda _: errors.pop() if errors else None)
    add(redis_client, 0, 20)
    with Running(redis_url, Work(numbers, sink.commit)):
        sink.wait_for(20)
    assert sorted(sink.committed) == list(range(20))


def test_nothing_is_acknowledged_before_it_is_committed(redis_url: str, redis_client: "redis.Redis") -> None:
    sink = Sink(fail=lambda _: InfrastructureError("away"))
    tried = threading.Event()

    def commit(batch: list[int]) -> None:
        tried.set()
        sink.commit(batch)

    add(redis_client, 0, 5)
    with Running(redis_url, Work(numbers, commit)):
        assert tried.wait(10)
    assert redis_client.xlen("things") == 5


def test_what_a_dead_consumer_held_is_taken_over(redis_url: str, redis_client: "redis.Redis") -> None:
    sink = Sink()
    add(redis_client, 0, 30)
    assert ConsumerGroup(redis_client, SETTINGS, "dead").read()
    with Running(redis_url, Work(numbers, sink.commit)):
        sink.wait_for(30)
    assert redis_client.xlen("things") == 0


def test_the_worker_stops_when_going_on_would_do_harm(redis_url: str, redis_client: "redis.Redis") -> None:
    sink = Sink(fail=lambda _: StopWorkerError("everything is refused"))
    add(redis_client, 0, 5)
    with Running(redis_url, Work(numbers, sink.commit)) as running:
        assert running.stop.wait(10)
    assert isinstance(running.error, StopWorkerError)
    assert redis_client.xlen("things") == 5


def test_redis_may_go_and_come_back_at_any_time(stack_servers: StackServers, redis_url: str) -> None:
    sink = Sink()
    with Running(redis_url, Work(numbers, sink.commit)):
        with redis.Redis.from_url(redis_url) as client:
            add(client, 0, 10)
            sink.wait_for(10)
        stack_servers.kill("redis")
        stack_servers.restart("redis")
        with redis.Redis.from_url(redis_url) as client:
            add(client, 10, 20)
            sink.wait_for(20)
            assert sorted(set(sink.committed)) == list(range(20))


def stalled(turns: Turns) -> set[str]:
    found = set()
    for name, check in turns.checks().items():
        try:
            check()
        except StalledError:
            found.add(name)
    return found


def test_each_thread_that_hangs_is_named(redis_url: str, redis_client: "redis.Redis") -> None:
    """What /livez tells: the other thread goes round meanwhile, and hides nothing."""
    gate = threading.Event()

    def hang(entries: Sequence[Entry]) -> list[int]:
        gate.wait(30)
        return numbers(entries)

    sink = Sink()
    with Running(redis_url, Work(hang, sink.commit)) as worker:
        add(redis_client, 0, 1)
        eventually("the reading hangs", lambda: stalled(worker.turns) == {"reading"}, 20)
        gate.set()
        sink.wait_for(1)
        eventually("it turns again", lambda: not stalled(worker.turns), 20)
    gate.clear()
    with Running(redis_url, Work(numbers, lambda _: sink.commit([]) if gate.wait(30) else None)) as worker:
        add(redis_client, 1, 2)
        eventually("the committing hangs", lambda: stalled(worker.turns) == {"committing"}, 20)
        gate.set()
