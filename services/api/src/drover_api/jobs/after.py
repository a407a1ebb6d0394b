"""What follows the commit of a launch or an end: a ring at the scheduler's door, which may go unheard."""

from drover_shared.db.models import Job

from drover_api.deps import deps
from drover_api.http.unit import after_commit


def ring_scheduler(job_id: int, pool: str | None = None) -> None:
    """Once the transaction is in the database, tell the scheduler that a job waits, or has ended.

    `pool`: of a job that was just launched and waits for nothing but a place. Its tick finds out anyway.
    """
    rings = deps().rings
    after_commit(lambda: rings.job_waits(job_id, pool))


def ring_for_launched(job: Job) -> None:
    """As `ring_scheduler`; a job that waits for a sync of its project has that one begun."""
    if job.waits_for_job_id is None:
        ring_scheduler(job.id, job.executor_pool)
    else:
        ring_scheduler(job.waits_for_job_id)
