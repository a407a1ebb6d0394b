"""What the tick does for jobs that no message announced, and for those canceled while they waited."""

from drover_shared.db.models import Job, JobRun
from drover_shared.db.transitions import move_job, move_run
from drover_shared.domain.reasons import Reason
from drover_shared.domain.states import JobStatus, RunState
from sqlalchemy import Connection, Engine, select, text

AT_ONCE = 200

# The first in line of each template that runs one job at a time and has none at work, and the jobs that need
# not wait for others. Each step is one look into a partial index (`ix_jobs_turn`, `_at_work`, `_free`).
_TURN = text("""
    WITH RECURSIVE heads AS (
        (SELECT job_template_id, priority, id FROM jobs
         WHERE status = 'pending' AND NOT allow_simultaneous AND NOT cancel_requested
           AND job_template_id IS NOT NULL
         ORDER BY job_template_id, priority DESC, id LIMIT 1)
        UNION ALL
        SELECT following.* FROM heads CROSS JOIN LATERAL (
            SELECT job_template_id, priority, id FROM jobs
            WHERE status = 'pending' AND NOT allow_simultaneous AND NOT cancel_requested
              AND job_template_id > heads.job_template_id
            ORDER BY job_template_id, priority DESC, id LIMIT 1
        ) AS following
    ), turn AS (
        SELECT id, priority FROM heads WHERE NOT EXISTS (
            SELECT FROM jobs
            WHERE status IN ('queued', 'running') AND jobs.job_template_id = heads.job_template_id
        )
        UNION ALL
        (SELECT id, priority FROM jobs
         WHERE status = 'pending' AND NOT cancel_requested AND (allow_simultaneous OR job_template_id IS NULL)
         ORDER BY priority DESC, id LIMIT :at_once)
    )
    SELECT id FROM turn ORDER BY priority DESC, id LIMIT :at_once
""")

_CANCELED = (
    select(Job.id, Job.current_run_id)
    .where(Job.status.in_([JobStatus.PENDING, JobStatus.QUEUED]), Job.cancel_requested)
    .order_by(Job.id)
    .limit(AT_ONCE)
)


def jobs_in_turn(connection: Connection, at_once: int = AT_ONCE) -> list[int]:
    """Pending jobs that may start now, the most urgent first."""
    return list(connection.scalars(_TURN, {"at_once": at_once}))


def cancel_waiting(engine: Engine) -> int:
    """End canceled jobs that no executor has yet; returns how many ended. One that has is its executor's."""
    with engine.connect() as connection:
        found = connection.execute(_CANCELED).all()
    return sum(_cancel(engine, row.id) for row in found)


def _cancel(engine: Engine, job_id: int) -> bool:
    with engine.begin() as connection:
        job = connection.execute(
            select(Job.status, Job.current_run_id)
            .where(Job.id == job_id, Job.cancel_requested)
            .with_for_update(skip_locked=True)
        ).one_or_none()
        if job is None:
            return False
        if job.current_run_id is not None and not move_run(
            connection,
            job.current_run_id,
            RunState.CANCELED,
            JobRun.state == RunState.PENDING,
            error_reason=Reason.CANCELED,
        ):
            return False
        return move_job(connection, job_id, JobStatus.CANCELED, error_reason=Reason.CANCELED)
