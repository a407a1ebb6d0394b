"""Runs whose executor stopped answering, and runs that it did not start or stop in time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from drover_shared.db.models import Job, JobRun
from drover_shared.db.transitions import move_job, move_run
from drover_shared.domain.reasons import SENTENCES, Reason
from drover_shared.domain.states import JobStatus, RunState
from drover_shared.ids import IdSource
from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, update

from drover_scheduler.attempts import WaitingRun, add_run, back_off_seconds

AT_ONCE = 100
TIMEOUT_GRACE_SECONDS = 60.0  # the executor ends a playbook in time itself; this is for one that does not
_HELD = (RunState.STARTING, RunState.RUNNING)


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that was ended here, and the attempt that follows it at once, if any."""

    run_id: UUID
    job_id: int
    next_run: WaitingRun | None = None


def expired_runs(connection: Connection, ended_before: datetime) -> Sequence[tuple[UUID, int]]:
    """(run id, job id) of runs whose lease ended before that moment: `LeaseTime` less the grace."""
    rows = connection.execute(
        select(JobRun.id, JobRun.job_id)
        .where(JobRun.state.in_(_HELD), JobRun.lease_expires_at < ended_before)
        .order_by(JobRun.lease_expires_at)
        .limit(AT_ONCE)
    )
    return [(row.id, row.job_id) for row in rows]


def lose_run(
    connection: Connection, run_id: UUID, job_id: int, ended_before: datetime, new_id: IdSource
) -> Ended | None:
    """End a run as lost and make the next attempt, or end its job; None where somebody else was first."""
    job = _lock_job(connection, job_id)
    if job is None or not move_run(
        connection,
        run_id,
        RunState.LOST,
        JobRun.lease_expires_at < ended_before,
        error_reason=Reason.EXECUTOR_LOST,
        error_detail=SENTENCES[Reason.EXECUTOR_LOST],
    ):
        return None
    if job.current_run_id != run_id:
        return Ended(run_id, job_id)
    attempt = connection.scalars(select(JobRun.attempt_number).where(JobRun.id == run_id)).one()
    if job.cancel_requested:
        move_job(connection, job_id, JobStatus.CANCELED, error_reason=Reason.CANCELED)
        return Ended(run_id, job_id)
    if attempt >= job.max_attempts:
        _end_job(connection, job_id, JobStatus.ERROR, Reason.EXECUTOR_LOST)
        return Ended(run_id, job_id)
    pause = back_off_seconds(attempt + 1)
    run = add_run(connection, job_id, attempt + 1, job.executor_pool, new_id, pause)
    _queue_again(connection, job_id, run.id)
    return Ended(run_id, job_id, None if pause else run)


def overdue_runs(connection: Connection) -> Sequence[tuple[UUID, int]]:
    """(run id, job id) of runs past their job's time: to run and the grace, or to get started."""
    rows = connection.execute(
        select(JobRun.id, JobRun.job_id)
        .join(Job, Job.id == JobRun.job_id)
        .where(JobRun.state.in_(_HELD), or_(_overdue(), _slow_start()))
        .limit(AT_ONCE)
    )
    return [(row.id, row.job_id) for row in rows]


def time_out_run(connection: Connection, run_id: UUID, job_id: int) -> Ended | None:
    """End an overdue run and its job; None where somebody else was first."""
    job = _lock_job(connection, job_id)
    if job is None:
        return None
    for late, state, status, reason in (
        (_overdue(), RunState.RUNNING, JobStatus.FAILED, Reason.TIMEOUT),
        (_slow_start(), RunState.STARTING, JobStatus.ERROR, Reason.START_TIMEOUT),
    ):
        still = select(Job.id).where(Job.id == job_id, late).exists()
        told = {"error_reason": reason, "error_detail": SENTENCES[reason]}
        if move_run(connection, run_id, RunState.FAILED, JobRun.state == state, still, **told):
            if job.current_run_id == run_id:
                _end_job(connection, job_id, status, reason)
            return Ended(run_id, job_id)
    return None


def _overdue() -> ColumnElement[bool]:
    allowed = func.make_interval(0, 0, 0, 0, 0, 0, Job.timeout_seconds + TIMEOUT_GRACE_SECONDS)
    return and_(
        JobRun.state == RunState.RUNNING, Job.timeout_seconds > 0, JobRun.started_at < func.now() - allowed
    )


def _slow_start() -> ColumnElement[bool]:
    allowed = func.make_interval(0, 0, 0, 0, 0, 0, Job.start_timeout_seconds)
    return and_(
        JobRun.state == RunState.STARTING,
        Job.start_timeout_seconds > 0,
        JobRun.claimed_at < func.now() - allowed,
    )


def _lock_job(connection: Connection, job_id: int) -> Row[UUID | None, bool, int, str] | None:
    return connection.execute(
        select(Job.current_run_id, Job.cancel_requested, Job.max_attempts, Job.executor_pool)
        .where(Job.id == job_id)
        .with_for_update(skip_locked=True)
    ).one_or_none()


def _end_job(connection: Connection, job_id: int, status: JobStatus, reason: Reason) -> None:
    move_job(connection, job_id, status, error_reason=reason, error_detail=SENTENCES[reason])


def _queue_again(connection: Connection, job_id: int, run_id: UUID) -> None:
    """Back to `queued` with a new run; a job whose lost attempt never started is there already."""
    if move_job(connection, job_id, JobStatus.QUEUED, current_run_id=run_id):
        return
    connection.execute(
        update(Job).where(Job.id == job_id, Job.status == JobStatus.QUEUED).values(current_run_id=run_id)
    )
