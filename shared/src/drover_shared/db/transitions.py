"""The one place that moves a job or a run: a guarded UPDATE through the transition table.

Zero rows mean that somebody else won; the caller decides what that means to it.
"""

from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, CursorResult, Update, func, update
from sqlalchemy.orm import Session

from drover_shared.db.models import Job, JobRun
from drover_shared.domain.states import (
    FINAL_JOB_STATUSES,
    FINAL_RUN_STATES,
    JobStatus,
    RunState,
    job_sources,
    run_sources,
)

Executes = Connection | Session


def move_job(
    db: Executes, job_id: int, target: JobStatus, *guards: ColumnElement[bool], **values: Any
) -> bool:
    """Move a job to `target` where the table allows it and every guard holds; False where it did not move.

    `finished_at` is set with a final status, by the database's clock. `values` are further columns.
    """
    return _moved(db, job_move(target, Job.id == job_id, *guards, **values))


def move_run(
    db: Executes, run_id: UUID, target: RunState, *guards: ColumnElement[bool], **values: Any
) -> bool:
    """Move a run to `target` where the table allows it and every guard holds; False where it did not move.

    `finished_at` is set with a final state, by the database's clock. `values` are further columns.
    """
    return _moved(db, run_move(target, JobRun.id == run_id, *guards, **values))


def job_move(target: JobStatus, *guards: ColumnElement[bool], **values: Any) -> Update:
    """The statement of `move_job`, for who builds it once or wants something returned.

    The guards name the job, by a bound parameter where it is built once.
    """
    if target in FINAL_JOB_STATUSES:
        values.setdefault("finished_at", func.now())
    return (
        update(Job)
        .where(Job.status.in_(job_sources(target)), *guards)
        .values(status=target, **values)
        .execution_options(synchronize_session=False)
    )


def run_move(target: RunState, *guards: ColumnElement[bool], **values: Any) -> Update:
    """The statement of `move_run`, in the same way."""
    if target in FINAL_RUN_STATES:
        values.setdefault("finished_at", func.now())
    return (
        update(JobRun)
        .where(JobRun.state.in_(run_sources(target)), *guards)
        .values(state=target, **values)
        .execution_options(synchronize_session=False)
    )


def _moved(db: Executes, statement: Update) -> bool:
    return cast("CursorResult[Any]", db.execute(statement)).rowcount == 1
