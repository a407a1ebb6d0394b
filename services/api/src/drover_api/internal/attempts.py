"""Who owns an attempt, and what a caller with a run token may touch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from drover_shared.db.attempts import is_available
from drover_shared.db.models import Executor, ExecutorPool, Job, JobRun
from drover_shared.db.transitions import run_move
from drover_shared.domain.errors import ConflictError, GoneError, UnauthenticatedError
from drover_shared.domain.states import FINAL_RUN_STATES, RunState
from drover_shared.ids import new_token, token_hash
from sqlalchemy import ColumnElement, Interval, Select, any_, bindparam, func, select, true, update
from sqlalchemy.orm import Session, load_only
from sqlalchemy.sql.dml import ReturningUpdate

MakeToken = Callable[[str], str]
OWNED_STATES = (RunState.STARTING, RunState.RUNNING)
_OVER = "This attempt is over."
_NO_TOKEN = "The run token is missing or no longer valid."  # noqa: S105 - a message


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """How long a lease lasts, and how often an executor should renew it, in seconds."""

    lease_seconds: int
    heartbeat_interval_seconds: int

    @property
    def lease(self) -> timedelta:
        """For the parameter `lease` of statements that set `LEASE_END`."""
        return timedelta(seconds=self.lease_seconds)


# When a lease taken now ends, by the database's clock.
LEASE_END: ColumnElement[datetime] = func.now() + bindparam("lease", type_=Interval)


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
    *,
    knows_slices: bool = False,
) -> Claim:
    """Take a pending run for `executor`; its own repeat while it prepares gives new tokens.

    Raises ConflictError where another executor has it, the run is of a pool it does not serve, or of a slice
    and it would run all hosts, GoneError where it is over or unknown.
    """
    run_token, stream_token, values = _tokens(run_id, executor.id, terms, make_token)
    lease = None
    if not executor.draining:
        lease = session.execute(
            _taking(knows_slices=knows_slices), {**values, "pools": executor.pools}
        ).scalar()
    if lease is None:  # an executor that lost the answer, or restarted, gets its run back with new tokens
        lease = session.execute(_taking_again(), values).scalar()
    if lease is None:
        raise _why_not(session, run_id, executor, knows_slices=knows_slices)
    return Claim(run_token, stream_token, lease)


def claim_by_token(
    session: Session,
    run_id: UUID,
    token: str | None,
    executor_id: int,
    terms: LeaseTerms,
    make_token: MakeToken = new_token,
    *,
    knows_slices: bool = False,
) -> Claim | None:
    """As `claim`, by whoever holds the executor's token, in one statement; None where it does not succeed.

    Why it did not, or whether the run is the executor's already, is for `claim` to find out.
    """
    if token is None:
        return None
    run_token, stream_token, values = _tokens(run_id, executor_id, terms, make_token)
    statement = _taking_by_token(knows_slices=knows_slices)
    lease = session.execute(statement, {**values, "digest": token_hash(token)}).scalar()
    return None if lease is None else Claim(run_token, stream_token, lease)


def _tokens(
    run_id: UUID, executor_id: int, terms: LeaseTerms, make_token: MakeToken
) -> tuple[str, str, dict[str, Any]]:
    """New tokens of a run, for itself and its streams, and what claims are given."""
    run_token, stream_token = make_token("drrun"), make_token("drstream")
    values = {
        "of_run": run_id,
        "of_executor": executor_id,
        "run_hash": token_hash(run_token),
        "stream_hash": token_hash(stream_token),
        "lease": terms.lease,
    }
    return run_token, stream_token, values


# The statements of every run are built once: that takes longer than to run them.
@cache
def _taking_by_token(*, knows_slices: bool) -> "ReturningUpdate[datetime | None]":
    return _taking_where(
        Executor.id == bindparam("of_executor"),
        Executor.token_hash == bindparam("digest"),
        Executor.draining.is_(False),
        JobRun.pool == any_(Executor.pools),
        knows_slices=knows_slices,
    )


@cache
def _taking(*, knows_slices: bool) -> "ReturningUpdate[datetime | None]":
    return _taking_where(JobRun.pool.in_(bindparam("pools", expanding=True)), knows_slices=knows_slices)


def _taking_where(*guards: ColumnElement[bool], knows_slices: bool) -> "ReturningUpdate[datetime | None]":
    return run_move(
        RunState.STARTING,
        JobRun.id == bindparam("of_run"),
        *guards,
        is_available(),
        pool_is_open(),
        can_be_run_by(knows_slices=knows_slices),
        executor_id=bindparam("of_executor"),
        claimed_at=func.now(),
        **_claimed(),
    ).returning(JobRun.lease_expires_at)


@cache
def _taking_again() -> "ReturningUpdate[datetime | None]":
    return (
        update(JobRun)
        .where(
            JobRun.id == bindparam("of_run"),
            JobRun.state == RunState.STARTING,
            JobRun.executor_id == bindparam("of_executor"),
        )
        .values(**_claimed())
        .returning(JobRun.lease_expires_at)
        .execution_options(synchronize_session=False)
    )


def _claimed() -> dict[str, Any]:
    return {
        "run_token_hash": bindparam("run_hash"),
        "stream_token_hash": bindparam("stream_hash"),
        "lease_expires_at": LEASE_END,
        "last_heartbeat_at": func.now(),
    }


def pool_is_open() -> ColumnElement[bool]:
    """Whether a run's pool does not drain."""
    return JobRun.pool.not_in(select(ExecutorPool.name).where(ExecutorPool.draining))


def can_be_run_by(*, knows_slices: bool) -> ColumnElement[bool]:
    """An executor of an older release would run a slice's playbook on all hosts."""
    of_slice = select(Job.id).where(Job.id == JobRun.job_id, Job.slice_number.is_not(None))
    return true() if knows_slices else ~of_slice.exists()


def _why_not(session: Session, run_id: UUID, executor: Executor, *, knows_slices: bool) -> Exception:
    known = can_be_run_by(knows_slices=knows_slices).label("known")
    query = select(JobRun.state, JobRun.pool, is_available().label("available"), known)
    run = session.execute(query.where(JobRun.id == run_id)).one_or_none()
    if run is None or run.state in FINAL_RUN_STATES:
        return GoneError(_OVER)
    return ConflictError(_refusal(run, executor))


def _refusal(run: Any, executor: Executor) -> str:
    if run.state != RunState.PENDING:
        return "An executor has claimed this run already."
    if not run.available:
        return "This attempt waits a while, because the one before it did not end well."
    if not run.known:
        return "This is a slice of a job, and this executor does not know slices: upgrade it."
    if executor.draining:
        return "This executor drains and takes no more work."
    if run.pool in executor.pools:
        return f"The pool {run.pool!r} drains."
    return f"This executor does not serve the pool {run.pool!r}."


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

    What it was launched with is read only where it is asked for. Raises GoneError where the job was deleted.
    """
    job = session.scalars(_locking(), {"of_job": job_id}).one_or_none()
    if job is None:
        raise GoneError(_OVER)
    return job


@cache
def _locking() -> Select[Job]:
    wanted = (Job.status, Job.created_at, Job.started_at, Job.cancel_requested, Job.sliced_job_id)
    return (
        select(Job)
        .options(load_only(*wanted))
        .where(Job.id == bindparam("of_job"))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
