"""Live readers: a run's new output as it is committed, woken by Redis and sure of PostgreSQL alone.

A reader holds one request thread for as long as it stays, so a process takes half as many of them as it has
threads and answers the others with 503 and `Retry-After`.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import redis
from drover_shared.db.models import Job, JobRun
from drover_shared.domain.states import FINAL_JOB_STATUSES, FINAL_RUN_STATES
from drover_shared.messages.streams import run_channel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from drover_api.jobs.progress import outputs_of

LOOK_SECONDS = 1.0  # the longest time between a commit that no bell announced and its reader
PING_SECONDS = 15.0
LINGER = timedelta(seconds=30)  # how long the rest of an ended run's output is waited for


@dataclass(frozen=True, slots=True)
class Source:
    """Where a live stream reads, and what ends it early: a client then connects again elsewhere."""

    sessions: Callable[[], Session]
    redis: "redis.Redis"
    stopping: threading.Event


class Viewers:
    """Places for live readers."""

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)

    def enter(self) -> bool:
        """Whether there was a place; the one who got it calls `leave` once."""
        return self._places.acquire(blocking=False)

    def leave(self) -> None:
        self._places.release()


class Bell:
    """Waits for the run's channel to ring; without Redis it just waits."""

    def __init__(self, client: "redis.Redis", run_id: UUID) -> None:
        self._stack = ExitStack()
        self._pubsub: Any = None
        with suppress(redis.RedisError):
            pubsub: Any = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
            self._pubsub = self._stack.enter_context(pubsub)
            self._pubsub.subscribe(run_channel(run_id))

    def wait(self, seconds: float) -> None:
        """Return when it rings, or after `seconds`."""
        if self._pubsub is None:
            threading.Event().wait(seconds)
            return
        try:
            self._pubsub.get_message(timeout=seconds)
        except (redis.RedisError, OSError):
            self.close()
            self._pubsub = None

    def close(self) -> None:
        with suppress(redis.RedisError, OSError):
            self._stack.close()


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a followed run stands; `over` means that nothing more will come."""

    state: str
    job_status: str
    last_event_seq: int
    events_complete: bool
    log_complete: bool
    ended_long_ago: bool

    @property
    def ended(self) -> bool:
        return self.state in FINAL_RUN_STATES

    @property
    def events_over(self) -> bool:
        return self.ended and (self.events_complete or self.ended_long_ago)

    @property
    def log_over(self) -> bool:
        return self.ended and (self.log_complete or self.ended_long_ago)


def run_status(session: Session, run_id: UUID) -> RunStatus | None:
    """None where the run was deleted."""
    row = session.execute(
        select(JobRun.state, JobRun.finished_at, Job.status, func.now().label("now"))
        .join(Job, Job.id == JobRun.job_id)
        .where(JobRun.id == run_id)
    ).one_or_none()
    if row is None:
        return None
    output = outputs_of(session, [run_id])[run_id]
    return RunStatus(
        state=row.state,
        job_status=row.status,
        last_event_seq=output.last_event_seq,
        events_complete=output.events_complete,
        log_complete=output.log_complete,
        ended_long_ago=_long_ago(row.finished_at, row.now),
    )


def _long_ago(finished_at: datetime | None, now: datetime) -> bool:
    return finished_at is not None and now - finished_at > LINGER


def first_run(source: Source, job_id: int) -> Iterator[UUID | None]:
    """None at each look while the job waits for its first attempt, then that run's id; ends without one."""
    while not source.stopping.is_set():
        with source.sessions() as session:
            job = session.execute(
                select(Job.current_run_id, Job.status).where(Job.id == job_id)
            ).one_or_none()
        if job is not None and job.current_run_id is not None:
            yield job.current_run_id
            return
        if job is None or job.status in FINAL_JOB_STATUSES:
            return
        yield None
        source.stopping.wait(LOOK_SECONDS)
