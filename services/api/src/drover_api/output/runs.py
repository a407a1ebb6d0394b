"""Which output is read of a job: of the run that is named, else of its current one, or of its slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from drover_shared.db.models import Job, JobRun
from drover_shared.domain.errors import NotFoundError
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import find
from drover_api.access.roles import READ
from drover_api.jobs.queries import visible_run
from drover_api.jobs.slices import Slice, is_split, slices_of


@dataclass(frozen=True, slots=True)
class OutputOf:
    """Of one run (None: there is none yet), or of a job's `slices` in their order."""

    run_id: UUID | None = None
    slices: Sequence[Slice] | None = None


def output_of_job(session: Session, principal: Principal, job_id: int, run_id: UUID | None) -> OutputOf:
    """The job's current output, or that of `run_id` where it is an attempt at it or at one of its slices.

    Raises NotFoundError where the job, or this attempt at it, is not visible.
    """
    job: Job = find(session, Job, principal, READ, job_id)
    if run_id is None:
        if is_split(job):
            return OutputOf(slices=slices_of(session, [job_id]).get(job_id, ()))
        return OutputOf(job.current_run_id)
    run: JobRun = visible_run(session, principal, run_id)
    own = select(Job.id).where(Job.id == run.job_id, or_(Job.id == job_id, Job.sliced_job_id == job_id))
    if session.scalar(own) is None:
        raise NotFoundError(f"job run {run_id} is not an attempt at job {job_id}")
    return OutputOf(run.id)
