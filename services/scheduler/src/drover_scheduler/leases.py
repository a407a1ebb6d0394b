"""Runs whose executor stopped answering, and runs that it did not stop in time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from drover_shared.db.models import Job, JobRun
from drover_shared.db.transitions import move_job, move_run
from drover_shared.domain.reasons import SENTENCES, Reason
from drover_shared.domain.states import JobStatus, RunState
from drover_shared.ids import IdSource
from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from drover_scheduler.attempts import WaitingRun, add_run

AT_ONCE = 100
TIMEOUT_GRACE_SECONDS = 60.0  # the executor ends a playbook in time itself; this is for one that does not
_HELD = (RunState.STARTING, RunState.RUNNING)


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that was ended here, and the attempt that follows it, if any."""

    run_id: UUID
    next_run: WaitingRun | None = None


def expired_runs(connection: Connection, grace_seconds: float) -> Sequence[tuple[UUID, int]]:
    """(run id, job id) of runs whose lease ended over `grace_seconds` ago, by the database's clock."""
    rows = connection.execute(
        select(JobRun.id, JobRun.job_id)
        .where(JobRun.state.in_(_HELD), _expired(grace_seconds))
        .order_by(JobRun.lease_expires_at)
        .limit(AT_ONCE)
    )
    return [(row.id, row.job_id) for row in rows]


def lose_run(
    connection: Connection, run_id: UUID, job_id: int, grace_seconds: float, new_id: IdSource
) -> Ended | None:
    """End a run as lost and make the next attempt, or end its job; None where somebody else was first."""
    job = _lock_job(connection, job_id)
    if job is None or not move_run(
        connection,
        run_id,
        RunState.LOST,
        _expired(grace_seconds),
        error_reason=Reason.EXECUTOR_LOST,
        error_detail=SENTENCES[Reason.EXECUTOR_LOST],
    ):
        return None
    if job.current_run_id != run_id:
        return Ended(run_id)
    attempt = connection.scalars(select(JobRun.attempt_number).where(JobRun.id == run_id)).one()
    if job.cancel_requested:
        move_job(connection, job_id, JobStatus.CANCELED, error_reason=Reason.CANCELED)
        return Ended(run_id)
    if attempt >= job.max_attempts:
        _end_job(connection, job_id, JobStatus.ERROR, Reason.EXECUTOR_LOST)
        return Ended(run_id)
    run = add_run(connection, job_id, attempt + 1, job.executor_pool, new_id)
    _queue_again(connection, job_id, run.id)
    return Ended(run_id, run)


def overdue_runs(connection: Connection) -> Sequence[tuple[UUID, int]]:
    """(run id, job id) of runs that ran longer than their job's time-out and the grace allow."""
    rows = connection.execute(
        select(JobRun.id, JobRun.job_id)
        .join(Job, Job.id == JobRun.job_id)
        .where(JobRun.state == RunState.RUNNING, Job.timeout_seconds > 0, _overdue())
        .limit(AT_ONCE)
    )
    return [(row.id, row.job_id) for row in rows]


def time_out_run(connection: Connection, run_id: UUID, job_id: int) -> Ended | None:
    """End an overdue run and its job; None where somebody else was first."""
    job = _lock_job(connection, job_id)
    still_overdue = select(Job.id).where(Job.id == job_id, Job.timeout_seconds > 0, _overdue()).exists()
    if job is None or not move_run(
        connection,
        run_id,
        RunState.FAILED,
        JobRun.state == RunState.RUNNING,
        still_overdue,
        error_reason=Reason.TIMEOUT,
        error_detail=SENTENCES[Reason.TIMEOUT],
    ):
        return None
    if job.current_run_id == run_id:
        _end_job(connection, job_id, JobStatus.FAILED, Reason.TIMEOUT)
    return Ended(run_id)


def _expired(grace_seconds: float) -> ColumnElement[bool]:
    return JobRun.lease_expires_at < func.now() - timedelta(seconds=grace_seconds)


def _overdue() -> ColumnElement[bool]:
    allowed = func.make_interval(0, 0, 0, 0, 0, 0, Job.timeout_seconds + TIMEOUT_GRACE_SECONDS)
    return JobRun.started_at < func.now() - allowed


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
