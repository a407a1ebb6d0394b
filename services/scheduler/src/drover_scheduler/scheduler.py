"""The scheduler's two ways in: a message that names a job, and the tick that needs none."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import redis
from drover_shared import traces
from drover_shared.clock import Clock
from drover_shared.db import job_counts, project_syncs, slices
from drover_shared.db.attempts import WaitingRun, release_after_leases
from drover_shared.db.models import Job, JobRun
from drover_shared.domain.states import RunState
from drover_shared.ids import IdSource
from drover_shared.logging import get_logger
from drover_shared.streams.bells import ring_runs
from drover_shared.streams.failures import describe
from sqlalchemy import Engine, and_, bindparam, func, select

from drover_scheduler import housekeeping, leases, line, metrics, narrowing, pending, waiting
from drover_scheduler.attempts import fill_pool
from drover_scheduler.lease_time import LeaseTime

_TOLD_OF = (
    select(
        Job.id,
        Job.executor_pool,
        Job.status,
        Job.sliced_job_id,
        and_(JobRun.id.is_not(None), JobRun.rung_at.is_(None)).label("unheard"),
    )
    .outerjoin(JobRun, and_(JobRun.id == Job.current_run_id, JobRun.state == RunState.PENDING))
    .where(Job.id.in_(bindparam("ids", expanding=True)))
)
_log = get_logger("drover.scheduler")


class Bell(Protocol):
    """Tells a pool's executors of a run; best effort."""

    def run_waits(self, run_id: UUID, pool: str) -> bool: ...


def schedule_jobs(engine: Engine, bell: Bell, new_id: IdSource, job_ids: Sequence[int], found_by: str) -> int:
    """Jobs were launched, or attempts of them began or have ended: fill their pools, each once.

    Returns how many attempts were made. One that follows another and need not wait is rung for.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        jobs = connection.execute(_TOLD_OF, {"ids": job_ids}).all()
    _follow(engine, {job.sliced_job_id for job in jobs if job.sliced_job_id is not None})
    following = [job.id for job in jobs if job.unheard]
    if following:
        _ring_for_next(engine, bell, following)
    pools = sorted({job.executor_pool for job in jobs})
    return sum(schedule_pool(engine, bell, new_id, pool, found_by) for pool in pools)


def _follow(engine: Engine, job_ids: Iterable[int]) -> None:
    """Jobs whose slices have moved: before any pool is filled, for where one ends its place is free."""
    for job_id in sorted(job_ids):
        with engine.begin() as connection:
            slices.follow(connection, job_id)


def _ring_for_next(engine: Engine, bell: Bell, job_ids: Sequence[int]) -> None:
    narrowing.narrow(engine, job_ids)
    with engine.begin() as connection:
        new = waiting.take_new(connection, job_ids)
    for run in new:
        bell.run_waits(run.id, run.pool)


def schedule_pool(engine: Engine, bell: Bell, new_id: IdSource, pool: str, found_by: str) -> int:
    """Make attempts of the pool's next jobs while there is room, then ring. Returns how many."""
    began = time.time()
    with engine.begin() as connection:
        made = fill_pool(connection, pool, new_id)
    for run in made:
        about: traces.Attributes = {
            "drover.job_id": run.job_id,
            "drover.job_run_id": str(run.id),
            "drover.pool": pool,
        }
        traces.note("schedule", run.traceparent, began, about)
        bell.run_waits(run.id, run.pool)
        metrics.ATTEMPTS.labels(found_by).inc()
        _log.info("run_made", job_id=run.job_id, job_run_id=str(run.id), pool=run.pool, found_by=found_by)
    return len(made)


class Tick:
    """Finds in the database whatever no message told of. A step that fails stops no other.

    Any number of schedulers tick at once; guarded updates and locked rows decide who does what.
    """

    def __init__(
        self,
        engine: Engine,
        client: redis.Redis,
        bell: Bell,
        clock: Clock,
        new_id: IdSource,
        *,
        tick_seconds: float,
        lease_grace_seconds: float,
        lease_time: LeaseTime,
    ) -> None:
        self._engine = engine
        self._redis = client
        self._bell = bell
        self._clock = clock
        self._new_id = new_id
        self._tick_seconds = tick_seconds
        self._grace = timedelta(seconds=lease_grace_seconds)
        self._lease_time = lease_time
        self._house_due = clock.monotonic()
        self._added_up = 0

    def run(self) -> float:
        """One tick; returns the seconds to wait before the next."""
        started = self._clock.monotonic()
        steps: dict[str, Callable[[], None]] = {
            "cancel": self._cancel,
            "leases": self._end_expired,
            "timeouts": self._end_overdue,
            "syncs": self._settle_syncs,
            "hosts": self._narrow,
            "slices": self._follow_slices,
            "pending": self._schedule_pending,
            "ring": self._ring_again,
            "counts": self._add_up,
            "housekeeping": self._keep_house,
        }
        for name, step in steps.items():
            try:
                step()
            except Exception as error:  # noqa: BLE001 - the next tick tries again
                metrics.FAILURES.labels(name).inc()
                _log.warning("tick_step_failed", step=name, **describe(error))
        took = self._clock.monotonic() - started
        metrics.TICK_SECONDS.observe(took)
        return max(0.0, self._tick_seconds - took)

    def _cancel(self) -> None:
        metrics.CANCELED.inc(pending.cancel_waiting(self._engine))

    def _settle_syncs(self) -> None:
        """Jobs that wait for a sync which ended here, or at the moment they came."""
        with self._engine.connect() as connection:
            found = project_syncs.unsettled(connection, leases.AT_ONCE)
        for sync_id in found:
            with self._engine.begin() as connection:
                project_syncs.settle(connection, sync_id)

    def _narrow(self) -> None:
        narrowing.narrow(self._engine)

    def _follow_slices(self) -> None:
        with self._engine.connect() as connection:
            behind = slices.unfollowed(connection, leases.AT_ONCE)
        _follow(self._engine, behind)

    def _schedule_pending(self) -> None:
        with self._engine.connect() as connection:
            pools = line.waiting_pools(connection)
        for pool in pools:
            schedule_pool(self._engine, self._bell, self._new_id, pool, "tick")

    def _end_expired(self) -> None:
        with self._engine.connect() as connection:
            now = self._lease_time.judge(connection.execute(select(func.clock_timestamp())).scalar_one())
            if now is None:
                return
            found = leases.expired_runs(connection, now - self._grace)
        with self._engine.begin() as connection:
            release_after_leases(connection, now - self._grace)
        for run_id, job_id in found:
            with self._engine.begin() as connection:
                ended = leases.lose_run(connection, run_id, job_id, now - self._grace, self._new_id)
            if ended is not None:
                metrics.LOST.inc()
                self._tell(ended, "run_lost")

    def _end_overdue(self) -> None:
        metrics.TIMEOUTS.inc(pending.end_overdue(self._engine))
        with self._engine.connect() as connection:
            found = leases.overdue_runs(connection)
        for run_id, job_id in found:
            with self._engine.begin() as connection:
                ended = leases.time_out_run(
                    connection, run_id, job_id, self._grace.total_seconds(), self._new_id
                )
            if ended is not None:
                metrics.TIMEOUTS.inc()
                self._tell(ended, "run_timed_out")

    def _tell(self, ended: leases.Ended, what: str) -> None:
        follows = ended.next_run
        _log.warning(what, job_run_id=str(ended.run_id), next_run_id=str(follows.id) if follows else None)
        if follows is not None:  # and is rung for by this same tick, unless it has to wait
            metrics.ATTEMPTS.labels("lease").inc()
        ring_runs(self._redis, [ended.run_id], "state")

    def _ring_again(self) -> None:
        with self._engine.connect() as connection:
            pools = waiting.waiting_pools(connection)
        for pool in pools:
            room = waiting.MESSAGES_ENOUGH - waiting.messages_in(self._redis, pool)
            if room > 0:
                self._ring(self._take_unheard(pool, room))

    def _take_unheard(self, pool: str, room: int) -> Sequence[WaitingRun]:
        with self._engine.begin() as connection:
            return waiting.take_unheard(connection, pool, room)

    def _ring(self, runs: Iterable[WaitingRun]) -> None:
        for run in runs:
            self._bell.run_waits(run.id, run.pool)
            metrics.RINGS.inc()

    def _add_up(self) -> None:
        with self._engine.begin() as connection:
            self._added_up = job_counts.add_up(connection, self._added_up)

    def _keep_house(self) -> None:
        if self._clock.monotonic() < self._house_due:
            return
        self._house_due = self._clock.monotonic() + housekeeping.AGAIN_SECONDS
        gone = housekeeping.keep_house(self._engine, self._clock.now().date())
        self._house_due = self._clock.monotonic() + housekeeping.EVERY_SECONDS
        _log.info("house_kept", idempotency_keys=gone)
