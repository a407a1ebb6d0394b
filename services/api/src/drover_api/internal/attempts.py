"""Who owns an attempt, and what a caller with a run token may touch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from drover_shared.db.attempts import is_available
from drover_shared.db.models import Executor, ExecutorPool, Job, JobRun
from drover_shared.db.transitions import move_run
from drover_shared.domain.errors import ConflictError, GoneError, UnauthenticatedError
from drover_shared.domain.states import FINAL_RUN_STATES, RunState
from drover_shared.ids import new_token, token_hash
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

MakeToken = Callable[[str], str]
OWNED_STATES = (RunState.STARTING, RunState.RUNNING)
_OVER = "This attempt is over."
_NO_TOKEN = "The run token is missing or no longer valid."  # noqa: S105 - a message


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """How long a lease lasts, and how often an executor should renew it, in seconds."""

    lease_seconds: int
    heartbeat_interval_seconds: int

    def expiry(self) -> ColumnElement[datetime]:
        """When a lease taken now ends, by the database's clock."""
        return func.now() + timedelta(seconds=self.lease_seconds)


@dataclass(frozen=True, slots=True)
class Claim:
    """What the winner of a run gets; the tokens are shown once and kept as hashes."""

    run_token: str = field(repr=False)
    stream_token: str = field(repr=False)
    lease_expires_at: datetime


def claim(
    session: Session,
    run_id: UUID,
    executor: Executor,
    terms: LeaseTerms,
    make_token: MakeToken = new_token,
) -> Claim:
    """Take a pending run for `executor`; its own repeat while it prepares gives new tokens.

    Raises ConflictError where another executor has it or the run is of a pool it does not serve, GoneError
    where it is over or unknown.
    """
    run_token, stream_token = make_token("drrun"), make_token("drstream")
    values: dict[str, Any] = {
        "run_token_hash": token_hash(run_token),
        "stream_token_hash": token_hash(stream_token),
        "lease_expires_at": terms.expiry(),
        "last_heartbeat_at": func.now(),
    }
    taken = not executor.draining and move_run(
        session,
        run_id,
        RunState.STARTING,
        JobRun.pool.in_(executor.pools),
        is_available(),
        pool_is_open(),
        executor_id=executor.id,
        claimed_at=func.now(),
        **values,
    )
    if not taken and not _claimed_again(session, run_id, executor, values):
        raise _why_not(session, run_id, executor)
    lease = session.scalars(select(JobRun.lease_expires_at).where(JobRun.id == run_id)).one()
    assert lease is not None  # noqa: S101 - set just above, in this transaction
    return Claim(run_token, stream_token, lease)


def pool_is_open() -> ColumnElement[bool]:
    """Whether a run's pool does not drain."""
    return JobRun.pool.not_in(select(ExecutorPool.name).where(ExecutorPool.draining))


def _claimed_again(session: Session, run_id: UUID, executor: Executor, values: dict[str, Any]) -> bool:
    """An executor that lost the answer to its claim, or restarted, gets its run back with new tokens."""
    return (
        session.execute(
            update(JobRun)
            .where(JobRun.id == run_id, JobRun.state == RunState.STARTING, JobRun.executor_id == executor.id)
            .values(**values)
            .returning(JobRun.id)
            .execution_options(synchronize_session=False)
        ).first()
        is not None
    )


def _why_not(session: Session, run_id: UUID, executor: Executor) -> Exception:
    query = select(JobRun.state, JobRun.pool, is_available().label("available"))
    run = session.execute(query.where(JobRun.id == run_id)).one_or_none()
    if run is None or run.state in FINAL_RUN_STATES:
        return GoneError(_OVER)
    if run.state != RunState.PENDING:
        return ConflictError("An executor has claimed this run already.")
    if not run.available:
        return ConflictError("This attempt waits a while, because the one before it did not end well.")
    if executor.draining:
        return ConflictError("This executor drains and takes no more work.")
    if run.pool in executor.pools:
        return ConflictError(f"The pool {run.pool!r} drains.")
    return ConflictError(f"This executor does not serve the pool {run.pool!r}.")


def owned_run(session: Session, run_id: UUID, token: str | None) -> JobRun:
    """The run whose token is `token`, whatever its state but `lost`.

    Raises GoneError where the attempt is unknown (its job was deleted) or lost, UnauthenticatedError where
    there is no token, or not its own.
    """
    if not token:
        raise UnauthenticatedError(_NO_TOKEN)
    run = session.get(JobRun, run_id, populate_existing=True)
    if run is None:
        raise GoneError(_OVER)
    if run.run_token_hash != token_hash(token):
        raise UnauthenticatedError(_NO_TOKEN)
    if run.state == RunState.LOST:
        raise GoneError("This attempt was given up: its lease had ended.")
    return run


def live_run(session: Session, run_id: UUID, token: str | None) -> JobRun:
    """As `owned_run`, while the attempt is live; GoneError once it is over."""
    run = owned_run(session, run_id, token)
    if run.state not in OWNED_STATES:
        raise GoneError(_OVER)
    return run


def locked_job(session: Session, job_id: int) -> Job:
    """A run's job, locked until the transaction ends: always before the run's own row is written.

    Raises GoneError where the job was deleted.
    """
    job = session.scalars(
        select(Job).where(Job.id == job_id).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    if job is None:
        raise GoneError(_OVER)
    return job
