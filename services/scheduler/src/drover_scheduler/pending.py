"""What the tick does for jobs that no executor has: those canceled, and those that waited too long."""

from drover_shared.db.models import Job, JobRun
from drover_shared.db.slices import is_sliced
from drover_shared.db.transitions import move_job, move_run
from drover_shared.domain.reasons import SENTENCES, Reason
from drover_shared.domain.states import JobStatus, RunState
from sqlalchemy import ColumnElement, Engine, and_, func, or_, select

AT_ONCE = 200


def _not_split() -> ColumnElement[bool]:
    """A job that was split ends with its slices, each of which waits for itself."""
    return or_(Job.status == JobStatus.PENDING, ~is_sliced())


def _too_long() -> ColumnElement[bool]:
    allowed = func.make_interval(0, 0, 0, 0, 0, 0, Job.waiting_timeout_seconds)
    return and_(
        Job.status.in_([JobStatus.PENDING, JobStatus.QUEUED]),
        Job.waiting_timeout_seconds > 0,
        Job.started_at.is_(None),  # a later attempt's wait is the platform's doing
        Job.created_at < func.now() - allowed,
        _not_split(),
    )


_CANCELED = (
    select(Job.id)
    .where(Job.status.in_([JobStatus.PENDING, JobStatus.QUEUED]), Job.cancel_requested, _not_split())
    .order_by(Job.id)
    .limit(AT_ONCE)
)
# A job whose run an executor holds is left to the other time-outs, and must not crowd out those that wait.
_OVERDUE = (
    select(Job.id)
    .outerjoin(JobRun, JobRun.id == Job.current_run_id)
    .where(_too_long(), or_(JobRun.id.is_(None), JobRun.state == RunState.PENDING))
    .limit(AT_ONCE)
)


def cancel_waiting(engine: Engine) -> int:
    """End canceled jobs that no executor has yet; returns how many ended. One that has is its executor's."""
    with engine.connect() as connection:
        found = connection.execute(_CANCELED).all()
    asked = and_(Job.cancel_requested.is_(True), _not_split())
    return sum(
        _end(engine, row.id, asked, JobStatus.CANCELED, RunState.CANCELED, Reason.CANCELED) for row in found
    )


def end_overdue(engine: Engine) -> int:
    """End jobs that waited longer than they may; returns how many ended."""
    with engine.connect() as connection:
        found = connection.execute(_OVERDUE).all()
    return sum(
        _end(engine, row.id, _too_long(), JobStatus.ERROR, RunState.FAILED, Reason.WAITING_TIMEOUT)
        for row in found
    )


def _end(
    engine: Engine,
    job_id: int,
    why: ColumnElement[bool],
    status: JobStatus,
    state: RunState,
    reason: Reason,
) -> bool:
    told = {"error_reason": reason, "error_detail": SENTENCES[reason]}
    with engine.begin() as connection:
        job = connection.execute(
            select(Job.current_run_id).where(Job.id == job_id, why).with_for_update(skip_locked=True)
        ).one_or_none()
        if job is None:
            return False
        if job.current_run_id is not None and not move_run(
            connection, job.current_run_id, state, JobRun.state == RunState.PENDING, **told
        ):
            return False
        return move_job(connection, job_id, status, **told)
