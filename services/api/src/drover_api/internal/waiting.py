"""The long poll of executors that cannot reach the queue.

A waiting executor holds one request thread, so only so many may wait in one process; the others are answered
at once with 503 and `Retry-After`.
"""

import threading
from collections.abc import Sequence
from uuid import UUID

from drover_shared.db.models import Executor
from drover_shared.domain.errors import InfrastructureError

from drover_api.deps import deps
from drover_api.http.unit import commit_now, session
from drover_api.internal.executors import next_run

MAX_WAITING = 4
LOOK_SECONDS = 0.5  # how often the database is asked; it alone knows what waits
_places = threading.BoundedSemaphore(MAX_WAITING)


def wait_for_run(executor: Executor, pools: Sequence[str] | None, seconds: float) -> UUID | None:
    """The next run for `executor`, or None when none came within `seconds`.

    Raises InfrastructureError where too many wait already. No transaction stays open while it waits.
    """
    found = next_run(session(), executor, pools)
    commit_now()
    if found is not None or seconds <= 0:
        return found
    if not _places.acquire(blocking=False):
        raise InfrastructureError("too many executors wait at this process")
    try:
        return _wait(executor, pools, seconds)
    finally:
        _places.release()


def _wait(executor: Executor, pools: Sequence[str] | None, seconds: float) -> UUID | None:
    clock, stopping = deps().clock, deps().stopping
    deadline = clock.monotonic() + seconds
    while (left := deadline - clock.monotonic()) > 0:
        if stopping.wait(min(left, LOOK_SECONDS)):
            return None
        found = next_run(session(), executor, pools)
        commit_now()
        if found is not None:
            return found
    return None
