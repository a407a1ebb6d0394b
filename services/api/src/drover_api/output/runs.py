"""Which run an output is read of: the one named, or a job's current one."""

from uuid import UUID

from drover_shared.db.models import Job, JobRun
from drover_shared.domain.errors import NotFoundError
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import find
from drover_api.access.roles import READ
from drover_api.jobs.queries import visible_run


def run_of_job(session: Session, principal: Principal, job_id: int, run_id: UUID | None) -> UUID | None:
    """The id of the job's current run, or of `run_id` where that is an attempt at it; None before the first.

    Raises NotFoundError where the job, or this attempt at it, is not visible.
    """
    job: Job = find(session, Job, principal, READ, job_id)
    if run_id is None:
        return job.current_run_id
    run: JobRun = visible_run(session, principal, run_id)
    if run.job_id != job_id:
        raise NotFoundError(f"job run {run_id} is not an attempt at job {job_id}")
    return run.id
