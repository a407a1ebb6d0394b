"""Runs whose executor stopped answering, and runs that it did not start or stop in time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from drover_shared.db.attempts import WaitingRun, add_next_run
from drover_shared.db.models import Job, JobRun
from drover_shared.db.transitions import move_job, move_run
from drover_shared.domain.reasons import SENTENCES, Reason
from drover_shared.domain.retries import RetryOn, kind_of_end
from drover_shared.domain.states import JobStatus, RunState
from drover_shared.ids import IdSource
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, func, or_, select

AT_ONCE = 100
TIMEOUT_GRACE_SECONDS = 60.0  # the executor ends a playbook in time itself; this is for one that does not
_HELD = (RunState.STARTING, RunState.RUNNING)
_EXPIRED = (
    select(JobRun.id, JobRun.job_id)
    .where(JobRun.state.in_(_HELD), JobRun.lease_expires_at < bindparam("ended_before"))
    .order_by(JobRun.lease_expires_at)
    .limit(AT_ONCE)
)


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that was ended here, and the attempt that follows it, if any."""

    run_id: UUID
    job_id: int
    next_run: WaitingRun | None = None


def expired_runs(connection: Connection, ended_before: datetime) -> Sequence[tuple[UUID, int]]:
    """(run id, job id) of runs whose lease ended before that moment: `LeaseTime` less the grace."""
    rows = connection.execute(_EXPIRED, {"ended_before": ended_before})
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
    following = add_next_run(connection, run_id, RetryOn.LOST, Reason.EXECUTOR_LOST, new_id)
    if following is None and job.cancel_requested:
        move_job(connection, job_id, JobStatus.CANCELED, error_reason=Reason.CANCELED)
    elif following is None:
        _end_job(connection, job_id, JobStatus.ERROR, Reason.EXECUTOR_LOST)
    return Ended(run_id, job_id, following)


def overdue_runs(connection: Connection) -> Sequence[tuple[UUID, int]]:
    """(run id, job id) of runs past their job's time: to run and the grace, or to get started."""
    return [(row.id, row.job_id) for row in connection.execute(_late())]


@cache
def _late() -> Select[UUID, int]:
    """Made once, as each tick asks."""
    return (
        select(JobRun.id, JobRun.job_id)
        .join(Job, Job.id == JobRun.job_id)
        .where(JobRun.state.in_(_HELD), or_(_overdue(), _slow_start()))
        .limit(AT_ONCE)
    )


def time_out_run(
    connection: Connection, run_id: UUID, job_id: int, grace_seconds: float, new_id: IdSource
) -> Ended | None:
    """End an overdue run, and make the next attempt or end its job; None where somebody else was first.

    Its executor may not have heard of it yet: the next attempt waits until its lease is over, too, which is
    judged as for a lost run.
    """
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
            if job.current_run_id != run_id:
                return Ended(run_id, job_id)
            end = kind_of_end(RunState.FAILED, reason)
            following = add_next_run(connection, run_id, end, reason, new_id, _dead(run_id, grace_seconds))
            if following is None:
                _end_job(connection, job_id, status, reason)
            return Ended(run_id, job_id, following)
    return None


def _dead(run_id: UUID, grace_seconds: float) -> ColumnElement[datetime | None]:
    lease = select(JobRun.lease_expires_at).where(JobRun.id == run_id).scalar_subquery()
    return lease + timedelta(seconds=grace_seconds)


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


def _lock_job(connection: Connection, job_id: int) -> Row[UUID | None, bool] | None:
    return connection.execute(
        select(Job.current_run_id, Job.cancel_requested)
        .where(Job.id == job_id)
        .with_for_update(skip_locked=True)
    ).one_or_none()


def _end_job(connection: Connection, job_id: int, status: JobStatus, reason: Reason) -> None:
    move_job(connection, job_id, status, error_reason=reason, error_detail=SENTENCES[reason])
