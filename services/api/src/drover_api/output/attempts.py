"""The attempt that a live reader of a job follows, and what an id says of it.

An id names the attempt too, from the second one on (`2:57`): what a reader has seen of one attempt says
nothing of the next, which is told from its beginning.
"""

from collections.abc import AsyncGenerator

from drover_api.jobs.watch import JobState
from drover_api.output.boards import Boards

_LONGEST = 18  # digits of a seq or an offset; more is none


async def first_attempt(boards: Boards, job_id: int) -> AsyncGenerator[JobState | None, None]:
    """None at each sign of life while the job waits for an attempt, then the job with one; ends without."""
    async with boards.jobs.watch(job_id) as watch:
        while True:
            version, job = watch.version, watch.state
            if job is not None and job.run_id is not None:
                yield job
                return
            if job is None or job.over:
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
    named, _, number = last_id.rpartition(":")
    return number_of(number) if (named or "1") == str(max(attempt, 1)) else 0


def number_of(given: str) -> int:
    """A seq or an offset as a client gave it; 0 for what is none."""
    return int(given) if given.isascii() and given.isdigit() and len(given) <= _LONGEST else 0
