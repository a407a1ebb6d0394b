"""Back-off, pauses and the watch on a loop's progress."""

import random
import threading
from datetime import UTC, datetime

import pytest
from drover_shared.clock import FakeClock
from drover_shared.pause import Pause
from drover_shared.streams.backoff import Backoff
from drover_shared.streams.progress import Progress, StalledError


def test_delays_double_up_to_the_longest_and_start_over() -> None:
    backoff = Backoff(first=1, longest=5, rng=random.Random(1))
    delays = [backoff.next_delay() for _ in range(5)]
    for delay, most in zip(delays, (1, 2, 4, 5, 5), strict=True):
        assert most / 2 <= delay <= most
    backoff.reset()
    assert backoff.next_delay() <= 1


def test_a_loop_that_hangs_is_noticed() -> None:
    clock = FakeClock(datetime(2025, 12, 10, tzinfo=UTC))
    progress = Progress(clock, limit_seconds=10)
    clock.advance(9)
    progress.check()
    progress.touch()
    clock.advance(9)
    progress.check()
    clock.advance(2)
    with pytest.raises(StalledError):
        progress.check()


def test_a_loop_that_rests_does_not_hang() -> None:
    clock, waited = FakeClock(datetime(2025, 12, 10, tzinfo=UTC)), []
    progress = Progress(clock, limit_seconds=100)

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waited.append(timeout)
            clock.advance(timeout)
            progress.check()
            if sum(waited) > 1000:
                self.set()
            return self.is_set()

    stop = Stop()
    progress.rest(stop, 130)
    assert sum(waited) == 130
    progress.rest(stop, 5000)
    assert 1000 < sum(waited) < 1100  # the stop ended it


def test_what_failed_is_left_alone_for_a_moment() -> None:
    now = 50.0
    pause = Pause(2, lambda: now)
    assert not pause.lasts
    pause.begin()
    now += 1.9
    assert pause.lasts
    now += 0.2
    assert not pause.lasts
