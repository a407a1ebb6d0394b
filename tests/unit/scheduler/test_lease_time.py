"""A database whose clock is set must end no lease before its time."""

from datetime import UTC, datetime, timedelta

from drover_scheduler.lease_time import LeaseTime
from drover_shared.clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st

WINDOW = 35.0
START = datetime(2026, 1, 1, tzinfo=UTC)


class Database:
    """Its clock goes on with the world's, and is set from time to time."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.set_by = 0.0

    def now(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self.set_by)


def test_without_a_jump_it_is_the_databases_time_after_the_first_window() -> None:
    clock = FakeClock(START)
    judged, database = LeaseTime(clock, WINDOW), Database(clock)
    assert judged.judge(database.now()) is None
    clock.advance(WINDOW - 1)
    assert judged.judge(database.now()) is None
    clock.advance(1)
    assert judged.judge(database.now()) == database.now()


def test_a_clock_set_back_is_followed_at_once() -> None:
    clock = FakeClock(START)
    judged, database = LeaseTime(clock, 0), Database(clock)
    judged.judge(database.now())
    database.set_by = -600
    clock.advance(1)
    assert judged.judge(database.now()) == database.now()


def test_a_clock_set_forward_is_followed_after_the_window() -> None:
    clock = FakeClock(START)
    judged, database = LeaseTime(clock, WINDOW), Database(clock)
    judged.judge(database.now())
    clock.advance(WINDOW)
    judged.judge(database.now())
    database.set_by = 600
    clock.advance(1)
    assert judged.judge(database.now()) == clock.now()
    clock.advance(WINDOW - 1)
    assert judged.judge(database.now()) == clock.now()
    clock.advance(1)
    assert judged.judge(database.now()) == database.now()


@given(
    st.lists(st.tuples(st.floats(0.1, 50), st.floats(-100, 100) | st.just(0.0)), min_size=1, max_size=30),
    st.integers(0, 29),
)
def test_no_lease_ends_before_its_time(steps: list[tuple[float, float]], given_at: int) -> None:
    """Whenever a lease was given and however the clock was set, it is not over within a lease's real time."""
    clock = FakeClock(START)
    judged, database = LeaseTime(clock, WINDOW), Database(clock)
    lease: tuple[datetime, datetime] | None = None  # really until, by the database's clock until
    for number, (wait, jump) in enumerate(steps):
        if number == min(given_at, len(steps) - 1):
            lease = clock.now() + timedelta(seconds=WINDOW), database.now() + timedelta(seconds=WINDOW)
        database.set_by += jump
        clock.advance(wait)
        now = judged.judge(database.now())
        if lease is not None and now is not None and lease[1] < now:
            assert lease[0] - timedelta(milliseconds=1) <= clock.now()
