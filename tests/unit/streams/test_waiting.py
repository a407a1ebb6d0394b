"""Back-off and the watch on a loop's progress."""

import random
from datetime import UTC, datetime

import pytest
from drover_shared.clock import FakeClock
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
