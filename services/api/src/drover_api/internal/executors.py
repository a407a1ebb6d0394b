"""Executors make themselves known, and ask what waits for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from uuid import UUID

from drover_shared.db.attempts import is_available
from drover_shared.db.models import Executor, ExecutorPool, JobRun
from drover_shared.domain.errors import ForbiddenError, UnauthenticatedError
from drover_shared.domain.states import RunState
from drover_shared.ids import new_token, token_hash
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from drover_api.internal.attempts import can_be_run_by, pool_is_open

MakeToken = Callable[[str], str]
_HOLDER = select(Executor).where(Executor.token_hash == bindparam("digest"))
EXECUTOR_TOKEN_PREFIX = "drexec"  # noqa: S105 - what tokens start with, not one


@dataclass(frozen=True, slots=True)
class Registration:
    """What an executor says of itself."""

    name: str
    pools: Sequence[str]
    slots: int
    version: str
    isolation: str = "none"


def check_registration_token(given: str | None, expected: str) -> None:
    """Raise UnauthenticatedError where the shared registration token is not the one given."""
    if given is None or not compare_digest(given.encode(), expected.encode()):
        raise UnauthenticatedError("The registration token is missing or wrong.")


def register(
    session: Session, registration: Registration, make_token: MakeToken = new_token
) -> tuple[int, str]:
    """The executor's id and a new token; the same name keeps its id, and its old token dies.

    Pools that nobody made yet are made, so that a template can name them.
    """
    token = make_token(EXECUTOR_TOKEN_PREFIX)
    pools = sorted(set(registration.pools))
    session.execute(
        insert(ExecutorPool)
        .values([{"name": pool} for pool in pools])
        .on_conflict_do_nothing(index_elements=[ExecutorPool.name])
    )
    values = {
        "pools": pools,
        "slots": registration.slots,
        "version": registration.version,
        "isolation": registration.isolation,
        "token_hash": token_hash(token),
        "last_seen_at": func.now(),
    }
    executor_id = session.scalars(
        insert(Executor)
        .values(name=registration.name, **values)
        .on_conflict_do_update(index_elements=[Executor.name], set_=values)
        .returning(Executor.id)
    ).one()
    return executor_id, token


def known_executor(session: Session, token: str | None) -> Executor:
    """The executor that holds `token`; UnauthenticatedError where nobody does."""
    found = None
    if token:
        found = session.scalars(_HOLDER, {"digest": token_hash(token)}).one_or_none()
    if found is None:
        raise UnauthenticatedError("The executor token is missing or no longer valid.")
    return found


def named_executor(session: Session, token: str | None, executor_id: int) -> Executor:
    """The executor that holds `token`; ForbiddenError where it speaks for another one."""
    executor = known_executor(session, token)
    if executor.id != executor_id:
        raise ForbiddenError("An executor may speak for itself only.")
    return executor


def seen(session: Session, executor: Executor) -> bool:
    """Note that an executor is alive; returns whether it should take no more work."""
    session.execute(
        update(Executor)
        .where(Executor.id == executor.id)
        .values(last_seen_at=func.now())
        .execution_options(synchronize_session=False)
    )
    return executor.draining


def next_run(
    session: Session, executor: Executor, pools: Sequence[str] | None, *, knows_slices: bool = False
) -> UUID | None:
    """The run an executor should claim next, the one that waits longest; None where nothing waits.

    The scheduler made the runs in the order of priority and fairness. `pools` narrows the executor's own.
    It reserves nothing: the claim decides who gets the run.
    """
    served = executor.pools if pools is None else sorted(set(executor.pools) & set(pools))
    if executor.draining or not served:
        return None
    return session.scalars(
        select(JobRun.id)
        .where(
            JobRun.state == RunState.PENDING,
            JobRun.pool.in_(served),
            is_available(),
            pool_is_open(),
            can_be_run_by(knows_slices=knows_slices),
        )
        .order_by(JobRun.id)
        .limit(1)
    ).one_or_none()
