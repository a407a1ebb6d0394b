"""A job that was split, as the scheduler leaves it."""

from dataclasses import dataclass
from typing import Any

from drover_shared.db.models import Job
from drover_shared.db.slices import split
from sqlalchemy import select
from sqlalchemy.orm import Session

from support.job_rows import QueuedJob, add_job, queue_attempt


@dataclass(frozen=True, slots=True)
class SplitJob:
    """A job with its slices, each with a pending run."""

    job_id: int
    slices: list[QueuedJob]


def add_split_job(session: Session, count: int = 3, **values: Any) -> SplitJob:
    job = add_job(session, slice_count=count, **values)
    return split_now(session, job.id)


def split_now(session: Session, job_id: int) -> SplitJob:
    """Split a pending job, and make the first attempt at each slice."""
    session.flush()
    split(session, job_id)
    ids = session.scalars(select(Job.id).where(Job.sliced_job_id == job_id).order_by(Job.slice_number))
    return SplitJob(job_id, [queue_attempt(session, one) for one in ids.all()])
