"""The attempt that a live reader of a job follows, and what an id says of it.

An id names the attempt too, from the second one on (`2:57`): what a reader has seen of one attempt says
nothing of the next, which is told from its beginning.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from drover_api.jobs.watch import JobState
from drover_api.output.boards import Boards

_LONGEST = 18  # digits of a seq or an offset; more is none


async def first_attempt(boards: Boards, job_id: int) -> AsyncGenerator[JobState | None, None]:
    """None at each sign of life while the job waits for an attempt, then the job with one; ends without."""
    async with aclosing(when(boards, job_id, lambda job: job.run_id is not None)) as waiting:
        async for job in waiting:
            if job is None or job.run_id is not None:
                yield job


async def every_attempt(boards: Boards, job_id: int) -> AsyncGenerator[JobState | None, None]:
    """The job with each of its attempts from the current one on, until it ends; None as signs of life."""
    told = None
    async with boards.jobs.watch(job_id) as watch:
        while True:
            version, job = watch.version, watch.state
            if job is not None and job.run_id is not None and job.run_id != told:
                told = job.run_id
                yield job
            elif job is None or job.ended:
                return
            elif not await watch.news(version):
                yield None


async def when(
    boards: Boards, job_id: int, done: Callable[[JobState], bool]
) -> AsyncGenerator[JobState | None, None]:
    """None at each sign of life, then the job once it is `done` or over; just ends where it was deleted."""
    async with boards.jobs.watch(job_id) as watch:
        while True:
            version, job = watch.version, watch.state
            if job is None or job.over or done(job):
                if job is not None:
                    yield job
                return
            if not await watch.news(version):
                yield None


def prefix_of(attempt: int) -> str:
    """What stands before the numbers in ids of this attempt."""
    return "" if attempt <= 1 else f"{attempt}:"


def number_after(last_id: str, attempt: int, default: int) -> int:
    """Where a reader goes on in this attempt; 0 where `last_id` is of another one, `default` without one."""
    if not last_id:
        return default
    named, number = named_by(last_id)
    return number if named == max(attempt, 1) else 0


def named_by(last_id: str) -> tuple[int, int]:
    """(attempt, number) of an id."""
    named, _, number = last_id.rpartition(":")
    return number_of(named or "1"), number_of(number)


def number_of(given: str) -> int:
    """A seq or an offset as a client gave it; 0 for what is none."""
    return int(given) if given.isascii() and given.isdigit() and len(given) <= _LONGEST else 0
