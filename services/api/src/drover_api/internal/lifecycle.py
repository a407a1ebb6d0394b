"""Start, heartbeat and finish of an attempt."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from drover_shared.db.attempts import add_next_run
from drover_shared.db.models import Job, JobRun
from drover_shared.db.project_syncs import settle
from drover_shared.db.transitions import job_move, move_job, move_run, run_move
from drover_shared.domain.errors import ConflictError, GoneError
from drover_shared.domain.reasons import SENTENCES, Reason, job_status_after
from drover_shared.domain.retries import kind_of_end
from drover_shared.domain.states import JobStatus, RunState
from drover_shared.ids import IdSource, new_run_id
from sqlalchemy import ColumnElement, bindparam, case, func, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from drover_api.internal.attempts import (
    LEASE_END,
    OWNED_STATES,
    LeaseTerms,
    live_run,
    locked_job,
    owned_run,
)
from drover_api.internal.gaps import Gaps, Stored, stored

KILL_AFTER = timedelta(seconds=30)  # a graceful cancel that has not worked by then becomes a kill


@dataclass(frozen=True, slots=True)
class Beat:
    """The answer to a heartbeat."""

    lease_expires_at: datetime
    cancel: str
    stored: Stored


@dataclass(frozen=True, slots=True)
class Ending:
    """What an executor says when its work is over: the outcome, and how much it put out."""

    state: RunState
    exit_code: int | None
    error_reason: str | None
    error_detail: str | None
    last_seq: int
    log_chunks: int
    log_bytes: int
    log_sha256: str | None
    artifacts: dict[str, Any] = field(default_factory=dict)  # what the playbook gave to `set_stats`


@dataclass(frozen=True, slots=True)
class Started:
    """How a cancel stands; `waited_seconds` of the job, where this very call started its first attempt.

    `slice_id`: the job, where it is a slice of another one.
    """

    cancel: str
    waited_seconds: float | None
    slice_id: int | None


def start(
    session: Session, run_id: UUID, token: str | None, project_revision: str | None, terms: LeaseTerms
) -> Started:
    """`starting` → `running`, run and job. A repeat changes nothing."""
    run = live_run(session, run_id, token)
    job = locked_job(session, run.job_id)
    values = {**_of(run), "revision": project_revision, "lease": terms.lease}
    started_at = session.execute(_starting(), values).scalar()
    waited = None
    if started_at is not None:
        if session.execute(_job_running(), {"of_job": job.id}).first() is None:
            raise ConflictError(f"The job is {job.status}.")
        waited = (started_at - job.created_at).total_seconds() if run.attempt_number == 1 else None
    else:
        live_run(session, run_id, token)
    cancel = cancel_wish(session, job.id) if job.cancel_requested else "none"
    return Started(cancel, waited, None if job.sliced_job_id is None else job.id)


@cache
def _starting() -> "ReturningUpdate[datetime | None]":
    return run_move(
        RunState.RUNNING,
        *_is_still(),
        started_at=func.now(),
        last_heartbeat_at=func.now(),
        lease_expires_at=LEASE_END,
        project_revision=bindparam("revision"),
    ).returning(JobRun.started_at)


@cache
def _job_running() -> ReturningUpdate[int]:
    started_at = func.coalesce(Job.started_at, func.now())
    return job_move(JobStatus.RUNNING, Job.id == bindparam("of_job"), started_at=started_at).returning(Job.id)


def cancel_wish(session: Session, job_id: int) -> str:
    """`none`, `graceful`, or `kill` once a graceful cancel had its time."""
    return session.scalar(select(_wish(Job.id == job_id))) or "none"


def _wish(of_job: ColumnElement[bool]) -> ColumnElement[str | None]:
    wish = case(
        (Job.cancel_requested.is_(False), "none"),
        (Job.cancel_requested_at < func.now() - KILL_AFTER, "kill"),
        else_="graceful",
    )
    return select(wish).where(of_job).correlate(JobRun).scalar_subquery()


def heartbeat(
    session: Session, run_id: UUID, token: str | None, last_seq: int, last_log_seq: int, terms: LeaseTerms
) -> Beat:
    """Renew the lease and say what is stored; an attempt whose `finish` was taken is told what is missing.

    Raises GoneError where the platform ended the attempt.
    """
    run = owned_run(session, run_id, token)
    renewed = session.execute(_renewing(), {**_of(run), "lease": terms.lease}).one_or_none()
    lease, cancel = renewed or (None, cancel_wish(session, run.job_id))
    return Beat(
        lease or _lease_of_finished(session, run_id, token),
        cancel or "none",
        stored(session, run_id, last_seq, last_log_seq),
    )


@cache
def _renewing() -> "ReturningUpdate[datetime | None, str | None]":
    return (
        update(JobRun)
        .where(*_is_still(), JobRun.state.in_(OWNED_STATES))
        .values(last_heartbeat_at=func.now(), lease_expires_at=LEASE_END)
        .returning(JobRun.lease_expires_at, _wish(Job.id == JobRun.job_id))
        .execution_options(synchronize_session=False)
    )


def _lease_of_finished(session: Session, run_id: UUID, token: str | None) -> datetime:
    run = owned_run(session, run_id, token)
    if run.final_event_seq is None or run.lease_expires_at is None:
        raise GoneError("This attempt is over.")
    return run.lease_expires_at


@dataclass(frozen=True, slots=True)
class Finished:
    """What is missing, None once all is stored; and jobs whose attempt this very call ended, or let go on."""

    missing: Gaps | None
    moved_jobs: Sequence[int] = ()


def finish(
    session: Session, run_id: UUID, token: str | None, ending: Ending, new_id: IdSource = new_run_id
) -> Finished:
    """End the attempt, and its job or the wait for the next attempt, in one transaction.

    The first call decides; a repeat only reports. Raises ConflictError where the attempt ended otherwise, or
    would succeed without having started, and GoneError where the platform ended it.
    """
    run = owned_run(session, run_id, token)
    ended_job = None
    released: list[int] = []
    if run.state in OWNED_STATES:
        ended_job = run.job_id if _end(session, run, ending, new_id) else None
        released = settle(session, run.job_id) if ended_job is not None else []
        run = owned_run(session, run_id, token)
    if run.final_event_seq is None:
        raise GoneError("This attempt is over.")
    if run.state != ending.state:
        raise ConflictError(f"This attempt ended as {run.state}.")
    return Finished(_unfinished_output(session, run), [*released, *([ended_job] if ended_job else [])])


def _end(session: Session, run: JobRun, ending: Ending, new_id: IdSource) -> bool:
    job = locked_job(session, run.job_id)
    reason = _reason(ending)
    moved = move_run(
        session,
        run.id,
        ending.state,
        _token_is(run),
        exit_code=ending.exit_code,
        error_reason=reason,
        error_detail=ending.error_detail,
        final_event_seq=ending.last_seq,
        final_log_chunks=ending.log_chunks,
        final_log_bytes=ending.log_bytes,
        final_log_sha256=ending.log_sha256,
    )
    if moved:
        job.artifacts = {**(job.artifacts if run.limit else {}), **ending.artifacts}
        session.flush()
        kind = kind_of_end(ending.state, reason)
        if add_next_run(session, run.id, kind, reason or "", new_id) is None:
            _end_job(session, job, ending, reason)
    elif ending.state is RunState.SUCCESSFUL and run.state == RunState.STARTING:
        raise ConflictError("This attempt has not started.")
    return moved


def _end_job(session: Session, job: Job, ending: Ending, reason: str | None) -> None:
    target, detail = job_status_after(ending.state, reason), ending.error_detail or _sentence(reason)
    if reason == Reason.EXECUTOR_LOST and job.cancel_requested:  # all that is known is what was asked for
        target, reason, detail = JobStatus.CANCELED, Reason.CANCELED, _sentence(Reason.CANCELED)
    if not move_job(session, job.id, target, error_reason=reason, error_detail=detail):
        raise ConflictError(f"The job is {job.status}.")


def _reason(ending: Ending) -> str | None:
    match ending.state:
        case RunState.SUCCESSFUL:
            return None
        case RunState.CANCELED:
            return ending.error_reason or Reason.CANCELED
        case _:
            return ending.error_reason or Reason.PLAYBOOK_FAILED


def _sentence(reason: str | None) -> str | None:
    return SENTENCES[Reason(reason)] if reason in set(Reason) else None


def _unfinished_output(session: Session, run: JobRun) -> Gaps | None:
    chunks = run.final_log_chunks or 0
    found = stored(session, run.id, run.final_event_seq or 0, chunks - 1)
    complete = not found.gaps.missing and not found.gaps.missing_log
    return None if complete and found.log_bytes == run.final_log_bytes else found.gaps


def _is_still() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """A run that was read before has the same token; for statements that are built once, with `_of`."""
    return JobRun.id == bindparam("of_run"), JobRun.run_token_hash == bindparam("run_hash")


def _of(run: JobRun) -> dict[str, Any]:
    return {"of_run": run.id, "run_hash": run.run_token_hash}


def _token_is(run: JobRun) -> ColumnElement[bool]:
    return JobRun.run_token_hash == run.run_token_hash
