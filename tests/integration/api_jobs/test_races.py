"""What happens to one job at the same moment, from several connections: one order, no deadlock, one end."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from drover_api.access.principal import Principal
from drover_api.internal.attempts import LeaseTerms, claim
from drover_api.internal.lifecycle import Ending, finish, heartbeat, start
from drover_api.jobs.cancel import cancel
from drover_scheduler.attempts import fill_pool
from drover_shared.db.models import Executor, Job, JobRun, User
from drover_shared.db.slices import follow
from drover_shared.domain.errors import ConflictError, DomainError, GoneError
from drover_shared.domain.states import FINAL_JOB_STATUSES, RunState
from drover_shared.ids import new_run_id
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker
from support.job_rows import QueuedJob, add_executor, add_job, add_queued_job

TERMS = LeaseTerms(lease_seconds=30, heartbeat_interval_seconds=5)
ROOT = Principal(user_id=1, username="admin", is_superuser=True, is_system_auditor=False)
STARTED: dict[str, Any] = {"project_revision": "abc", "terms": TERMS}
ROUNDS = 15

Sessions = Callable[[], Session]


def ending(state: RunState) -> Ending:
    return Ending(state, 0, None, None, 0, 0, 0, "0" * 64)


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    made = sessionmaker(engine, expire_on_commit=False)
    with made.begin() as db:
        db.add(User(id=ROOT.user_id, username=ROOT.username))
    return made


def queued_job(sessions: Sessions) -> QueuedJob:
    with sessions() as db:
        queued = add_queued_job(db)
        db.commit()
    return queued


def executor_id(sessions: Sessions) -> int:
    with sessions() as db:
        executor = add_executor(db)
        db.commit()
    return executor.id


def claimed(sessions: Sessions, queued: QueuedJob, executor: int) -> str:
    with sessions() as db:
        won = claim(db, queued.run_id, db.get_one(Executor, executor), TERMS)
        db.commit()
    return won.run_token


def at_once(sessions: Sessions, actions: Sequence[Callable[[Session], Any]]) -> list[DomainError | None]:
    """Run each action in a transaction and thread of its own, all begun together; their refusals."""
    barrier = Barrier(len(actions))
    app = Flask("activity")  # whoever cancels is recorded with the request's id, if there is one

    def one(action: Callable[[Session], Any]) -> DomainError | None:
        with app.app_context(), sessions() as db:
            barrier.wait()
            try:
                action(db)
                db.commit()
            except DomainError as error:
                return error
            return None

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(one, actions))


def ends(sessions: Sessions, queued: QueuedJob) -> tuple[str, str]:
    with sessions() as db:
        return db.get_one(Job, queued.job_id).status, db.get_one(JobRun, queued.run_id).state


def test_claim_against_cancel(sessions: Sessions) -> None:
    """Either the job is canceled at once, or the executor got it and is told to stop: never both."""
    executor = executor_id(sessions)
    for _ in range(ROUNDS):
        queued = queued_job(sessions)

        def take(db: Session, run_id: UUID) -> None:
            claim(db, run_id, db.get_one(Executor, executor), TERMS)

        stop = partial(cancel, principal=ROOT, job_id=queued.job_id)
        refused, canceled = at_once(sessions, [partial(take, run_id=queued.run_id), stop])
        assert canceled is None
        if refused is None:
            assert ends(sessions, queued) == ("queued", "starting")
        else:
            assert isinstance(refused, GoneError)
            assert ends(sessions, queued) == ("canceled", "canceled")


def test_finish_against_cancel(sessions: Sessions) -> None:
    executor = executor_id(sessions)
    for _ in range(ROUNDS):
        queued = queued_job(sessions)
        token = claimed(sessions, queued, executor)
        at_once(sessions, [partial(start, run_id=queued.run_id, token=token, **STARTED)])

        end = partial(finish, run_id=queued.run_id, token=token, ending=ending(RunState.SUCCESSFUL))
        stop = partial(cancel, principal=ROOT, job_id=queued.job_id)
        finished, canceled = at_once(sessions, [end, stop])
        assert finished is None
        assert canceled is None or isinstance(canceled, ConflictError)
        assert ends(sessions, queued) == ("successful", "successful")


def test_everything_at_once_ends_once(sessions: Sessions) -> None:
    """Starts, a heartbeat, two different ends and a cancel: one end, which job and run agree on."""
    executor = executor_id(sessions)
    for _ in range(ROUNDS):
        queued = queued_job(sessions)
        token = claimed(sessions, queued, executor)
        attempt: dict[str, Any] = {"run_id": queued.run_id, "token": token}
        at_once(
            sessions,
            [
                partial(start, **attempt, **STARTED),
                partial(heartbeat, **attempt, last_seq=0, last_log_seq=-1, terms=TERMS),
                partial(finish, **attempt, ending=ending(RunState.FAILED)),
                partial(finish, **attempt, ending=ending(RunState.CANCELED)),
                partial(cancel, principal=ROOT, job_id=queued.job_id),
                partial(start, **attempt, **STARTED),
            ],
        )
        job, run = ends(sessions, queued)
        assert job in FINAL_JOB_STATUSES
        assert job == run


def test_split_against_cancel_and_follow(sessions: Sessions) -> None:
    """A job is canceled before its split, or with every slice of it: none is left that goes on."""
    seen = set()
    for _ in range(ROUNDS):
        with sessions() as db:
            job = add_job(db, slice_count=3)
            db.commit()
        actions: list[Callable[[Session], Any]] = [
            lambda db: fill_pool(db.connection(), "default", new_run_id),
            lambda db: fill_pool(db.connection(), "default", new_run_id),
            partial(cancel, principal=ROOT, job_id=job.id),
            partial(follow, job_id=job.id),
        ]
        assert at_once(sessions, actions) == [None] * 4
        with sessions() as db:
            slices = list(db.scalars(select(Job.status).where(Job.sliced_job_id == job.id)))
            assert db.get_one(Job, job.id).status == "canceled"
        assert slices in ([], ["canceled"] * 3)
        seen.add(len(slices))
    assert seen <= {0, 3}
