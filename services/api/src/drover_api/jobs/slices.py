"""Jobs with slices, as they are read: by the jobs that they were split into."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from drover_shared.db.host_results import joined_summaries
from drover_shared.db.models import Job
from drover_shared.domain.states import FINAL_JOB_STATUSES
from sqlalchemy import select
from sqlalchemy.orm import Session

from drover_api.jobs.progress import NO_HOSTS, RunOutput, outputs_of


@dataclass(frozen=True, slots=True)
class Slice:
    """One of a job's slices: a job of its own."""

    job_id: int
    slice_number: int
    status: str
    run_id: UUID | None


def is_split(job: Job) -> bool:
    """Whether the job has slices instead of runs, or will have them."""
    return job.slice_count > 1 and job.slice_number is None and job.current_run_id is None


def slices_of(session: Session, job_ids: Iterable[int]) -> Mapping[int, Sequence[Slice]]:
    """The slices of each of these jobs in their order; none of one that was not split yet."""
    rows = session.execute(
        select(Job.sliced_job_id, Job.id, Job.slice_number, Job.status, Job.current_run_id)
        .where(Job.sliced_job_id.in_(list(job_ids)))
        .order_by(Job.sliced_job_id, Job.slice_number)
    )
    found: dict[int, list[Slice]] = defaultdict(list)
    for sliced, job_id, number, status, run_id in rows:
        if sliced is not None and number is not None:  # a condition of the query, for mypy
            found[sliced].append(Slice(job_id, number, status, run_id))
    return found


def current_runs(session: Session, job: Job) -> list[UUID]:
    """The runs whose output is the job's: its slices' in their order, or its own; those that are there."""
    if not is_split(job):
        return [] if job.current_run_id is None else [job.current_run_id]
    return [one.run_id for one in slices_of(session, [job.id]).get(job.id, ()) if one.run_id is not None]


def joined_outputs(session: Session, of: Mapping[int, Sequence[Slice]]) -> dict[int, RunOutput]:
    """The output of jobs with slices, by their ids: complete where that of each slice is."""
    runs = [one.run_id for slices in of.values() for one in slices if one.run_id is not None]
    outputs, summaries = outputs_of(session, runs), joined_summaries(session, runs)
    return {
        job_id: RunOutput(
            summary=summaries.get(job_id, NO_HOSTS),
            events_complete=all(_stored(one, outputs).events_complete for one in slices),
            log_complete=all(_stored(one, outputs).log_complete for one in slices),
        )
        for job_id, slices in of.items()
    }


def document(slices: Sequence[Slice]) -> list[dict[str, Any]]:
    """As `JobSliceSchema` dumps it."""
    return [{"job_id": one.job_id, "slice_number": one.slice_number, "status": one.status} for one in slices]


def _stored(one: Slice, outputs: Mapping[UUID, RunOutput]) -> RunOutput:
    """A slice that ended before it had a run put out nothing, and that is complete."""
    if one.run_id is None:
        over = one.status in FINAL_JOB_STATUSES
        return RunOutput(events_complete=over, log_complete=over)
    return outputs.get(one.run_id, RunOutput())
