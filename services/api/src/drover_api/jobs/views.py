"""Jobs and runs as their schemas dump them."""

from collections.abc import Mapping, Sequence
from typing import Any

from drover_shared.db.host_results import job_summaries
from drover_shared.db.models import Job, JobRun, User
from drover_shared.domain.states import FINAL_JOB_STATUSES
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from drover_api.entities import columns
from drover_api.jobs.progress import RunOutput, outputs_of
from drover_api.jobs.slices import document as slice_documents
from drover_api.jobs.slices import is_split, joined_outputs, slices_of

_NOTHING_RAN = RunOutput(events_complete=True, log_complete=True)
_NOTHING_YET = RunOutput()
_USERNAMES = select(User.id, User.username).where(User.id.in_(bindparam("user_ids", expanding=True)))


def job_documents(
    session: Session,
    jobs: Sequence[Job],
    usernames: Mapping[int, str] | None = None,
    names: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Jobs with the output of their current runs (or slices) and who launched them: a few queries in all.

    `usernames` by id, as far as the caller knows them; `names` as of `columns`.
    """
    outputs = outputs_of(session, (job.current_run_id for job in jobs if job.current_run_id is not None))
    summaries = job_summaries(session, [run_id for run_id, output in outputs.items() if output.narrowed])
    slices = slices_of(session, split) if (split := [job.id for job in jobs if is_split(job)]) else {}
    joined = joined_outputs(session, slices) if slices else {}
    launchers = dict(usernames or {})
    launched_by = {job.launched_by_id for job in jobs if job.launched_by_id is not None}
    launchers |= _usernames(session, launched_by - launchers.keys())
    documents = []
    for job in jobs:
        output = _NOTHING_RAN if job.status in FINAL_JOB_STATUSES else _NOTHING_YET
        if job.current_run_id is not None:
            output = outputs.get(job.current_run_id, _NOTHING_YET)
        document = _job(job, joined.get(job.id, output), launchers, names)
        document["slices"] = slice_documents(slices.get(job.id, ()))
        if job.current_run_id in summaries:
            document["summary"] = summaries[job.current_run_id]
        documents.append(document)
    return documents


def _job(
    job: Job, output: RunOutput, launchers: Mapping[int, str], names: Sequence[str] | None
) -> dict[str, Any]:
    by = job.launched_by_id
    return {
        **columns(job, names),
        "inventory_id": job.inventory_id or None,
        "summary": output.summary,
        "events_complete": output.events_complete,
        "log_complete": output.log_complete,
        "launched_by": None if by is None else {"id": by, "username": launchers.get(by, "")},
    }


def run_documents(session: Session, runs: Sequence[JobRun]) -> list[dict[str, Any]]:
    """Runs with their watermark and completeness."""
    outputs = outputs_of(session, (run.id for run in runs))
    documents = []
    for run in runs:
        output = outputs.get(run.id, _NOTHING_YET)
        documents.append(
            {
                **columns(run),
                "last_event_seq": output.last_event_seq,
                "events_complete": output.events_complete,
                "log_complete": output.log_complete,
            }
        )
    return documents


def _usernames(session: Session, user_ids: set[int]) -> dict[int, str]:
    if not user_ids:
        return {}
    rows = session.execute(_USERNAMES, {"user_ids": list(user_ids)})
    return {row.id: row.username for row in rows}
