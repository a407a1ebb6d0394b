"""Making a run attempt for a job that waits.

Lock order, here and everywhere: the job's row before its runs' rows.
"""

from dataclasses import dataclass
from uuid import UUID

from drover_shared.db.models import Job, JobRun
from drover_shared.db.transitions import move_job
from drover_shared.domain.reasons import Reason
from drover_shared.domain.states import JobStatus
from drover_shared.ids import IdSource
from sqlalchemy import Connection, Row, func, insert, select, text

_TEMPLATE_LOCK = 0x64726F  # the first half of an advisory lock's key; the second is the template's id

_IS_NEXT = text("""
    SELECT NOT EXISTS (
        SELECT FROM jobs WHERE status IN ('queued', 'running') AND job_template_id = :template
    ) AND :job = (
        SELECT id FROM jobs
        WHERE status = 'pending' AND NOT allow_simultaneous AND NOT cancel_requested
          AND job_template_id = :template
        ORDER BY priority DESC, id LIMIT 1
    )
""")


@dataclass(frozen=True, slots=True)
class WaitingRun:
    """A run that executors of `pool` should hear of."""

    id: UUID
    pool: str


_Job = Row[int, int | None, bool, bool, str]
_COLUMNS = (
    Job.id,
    Job.job_template_id,
    Job.allow_simultaneous,
    Job.cancel_requested,
    Job.executor_pool,
)


def make_first_attempt(connection: Connection, job_id: int, new_id: IdSource) -> WaitingRun | None:
    """Make the first run of a pending job; None where it is not this one's turn (or no longer pending).

    A job whose row another scheduler holds is left to that one.
    """
    job = connection.execute(
        select(*_COLUMNS)
        .where(Job.id == job_id, Job.status == JobStatus.PENDING)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if job is None:
        return None
    if job.cancel_requested:
        move_job(connection, job.id, JobStatus.CANCELED, error_reason=Reason.CANCELED)
        return None
    if must_wait(connection, job):
        return None
    run = add_run(connection, job.id, 1, job.executor_pool, new_id)
    if not move_job(connection, job.id, JobStatus.QUEUED, current_run_id=run.id):
        raise RuntimeError(f"job {job.id} moved although its row is locked")
    return run


def add_run(connection: Connection, job_id: int, attempt: int, pool: str, new_id: IdSource) -> WaitingRun:
    """Insert a pending run; it counts as rung, for whoever makes it rings right after the commit."""
    run = WaitingRun(new_id(), pool)
    connection.execute(
        insert(JobRun).values(id=run.id, job_id=job_id, attempt_number=attempt, pool=pool, rung_at=func.now())
    )
    return run


def must_wait(connection: Connection, job: _Job) -> bool:
    """Whether another job of the same template lives or is ahead in the line.

    The lock ends with the transaction: two schedulers never judge jobs of one template at the same time.
    """
    if job.allow_simultaneous or job.job_template_id is None:
        return False
    connection.execute(
        text("SELECT pg_advisory_xact_lock(:space, CAST(:template % 2147483647 AS integer))"),
        {"space": _TEMPLATE_LOCK, "template": job.job_template_id},
    )
    return not connection.scalar(_IS_NEXT, {"template": job.job_template_id, "job": job.id})
