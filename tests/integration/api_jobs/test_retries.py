"""Attempts that follow one that its executor ended: by the job's policy, in the transaction that ends it."""

from typing import Any

import pytest
from drover_api.internal.attempts import claim
from drover_api.internal.executors import next_run
from drover_api.internal.lifecycle import finish, start
from drover_shared.db.models import Executor, Job, JobRun
from drover_shared.domain.errors import ConflictError
from drover_shared.domain.states import RunState
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session
from support.job_rows import QueuedJob, add_executor, add_queued_job

from .test_attempts import TERMS, ending


@pytest.fixture
def session(engine: Engine) -> Any:
    with Session(engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def executor(session: Session) -> Executor:
    return add_executor(session)


def ended(session: Session, executor: Executor, job: QueuedJob, reason: str | None, **end: Any) -> JobRun:
    """The job's current attempt, run to this end."""
    run_id = session.get_one(Job, job.job_id, populate_existing=True).current_run_id
    assert run_id is not None
    token = claim(session, run_id, executor, TERMS).run_token
    start(session, run_id, token, None, TERMS)
    told = ending(RunState.FAILED, error_reason=reason, **end)
    finish(session, run_id, token, told)
    finish(session, run_id, token, told)  # its answer was lost: a repeat makes nothing more
    session.commit()
    return session.get_one(JobRun, run_id, populate_existing=True)


def job_of(session: Session, job: QueuedJob) -> Job:
    return session.get_one(Job, job.job_id, populate_existing=True)


def current(session: Session, job: QueuedJob) -> JobRun:
    run_id = job_of(session, job).current_run_id
    return session.get_one(JobRun, run_id, populate_existing=True)


def attempts(session: Session, job: QueuedJob) -> list[tuple[int, str, str, str | None]]:
    rows = session.execute(
        select(JobRun.attempt_number, JobRun.cause, JobRun.state, JobRun.error_reason)
        .where(JobRun.job_id == job.job_id)
        .order_by(JobRun.attempt_number)
    )
    return [(row.attempt_number, row.cause, row.state, row.error_reason) for row in rows]


def test_a_playbook_that_failed_is_not_tried_again_unless_asked(session: Session, executor: Executor) -> None:
    job = add_queued_job(session)
    ended(session, executor, job, "playbook_failed")
    assert attempts(session, job) == [(1, "launch", "failed", "playbook_failed")]
    assert job_of(session, job).status == "failed"


def test_what_an_executor_lost_is_tried_again_at_once(session: Session, executor: Executor) -> None:
    job = add_queued_job(session, max_attempts=2)
    ended(session, executor, job, "executor_lost")
    assert attempts(session, job) == [
        (1, "launch", "failed", "executor_lost"),
        (2, "executor_lost", "pending", None),
    ]
    assert (job_of(session, job).status, current(session, job).attempt_number) == ("queued", 2)
    assert next_run(session, executor, None) == current(session, job).id
    ended(session, executor, job, "executor_lost")
    assert (job_of(session, job).status, job_of(session, job).error_reason) == ("error", "executor_lost")


def test_an_attempt_that_was_lost_before_its_start_is_followed_too(
    session: Session, executor: Executor
) -> None:
    job = add_queued_job(session)
    token = claim(session, job.run_id, executor, TERMS).run_token
    finish(session, job.run_id, token, ending(RunState.FAILED, error_reason="executor_lost"))
    assert (job_of(session, job).status, current(session, job).attempt_number) == ("queued", 2)


def test_a_cancel_is_the_end_of_what_was_lost(session: Session, executor: Executor) -> None:
    job = add_queued_job(session)
    session.execute(text("UPDATE jobs SET cancel_requested = true, cancel_requested_at = now()"))
    ended(session, executor, job, "executor_lost")
    assert len(attempts(session, job)) == 1
    assert (job_of(session, job).status, job_of(session, job).error_reason) == ("canceled", "canceled")


def test_a_cancel_stops_further_attempts_and_the_end_stays_honest(
    session: Session, executor: Executor
) -> None:
    """The playbook failed before it heard of the cancel: that is what happened."""
    job = add_queued_job(session, retry_on=["failed"])
    session.execute(text("UPDATE jobs SET cancel_requested = true, cancel_requested_at = now()"))
    ended(session, executor, job, "playbook_failed")
    assert len(attempts(session, job)) == 1
    assert job_of(session, job).status == "failed"


@pytest.mark.parametrize(
    ("reason", "retry_on"),
    [(None, "failed"), ("playbook_failed", "failed"), ("timeout", "timeout"), ("executor_error", "error")],
)
def test_what_the_template_asks_for_is_tried_again_after_its_wait(
    session: Session, executor: Executor, reason: str | None, retry_on: str
) -> None:
    job = add_queued_job(session, retry_on=[retry_on], retry_wait_seconds=60, max_attempts=3)
    ended(session, executor, job, reason)
    for attempt, wait in ((2, 60), (3, 120)):
        run = current(session, job)
        assert (run.attempt_number, run.cause) == (attempt, reason or "playbook_failed")
        left = session.scalars(
            select(func.extract("epoch", JobRun.available_at - func.now())).where(JobRun.id == run.id)
        ).one()
        assert wait - 30 < left <= wait
        with pytest.raises(ConflictError, match="waits a while"):
            claim(session, run.id, executor, TERMS)
        session.execute(text("UPDATE job_runs SET available_at = now()"))
        ended(session, executor, job, reason)
    assert len(attempts(session, job)) == 3
    assert job_of(session, job).finished_at is not None


def test_an_attempt_whose_hosts_are_not_known_yet_is_not_to_be_had(
    session: Session, executor: Executor
) -> None:
    job = add_queued_job(session, retry_on=["failed"], retry_hosts="failed", retry_wait_seconds=0)
    ended(session, executor, job, "playbook_failed", last_seq=10)
    assert current(session, job).awaits_hosts
    assert next_run(session, executor, None) is None
    with pytest.raises(ConflictError, match="waits a while"):
        claim(session, current(session, job).id, executor, TERMS)


def test_artifacts_add_up_only_where_hosts_do(session: Session, executor: Executor) -> None:
    job = add_queued_job(session, retry_on=["failed"], retry_wait_seconds=0)
    ended(session, executor, job, "playbook_failed", artifacts={"a": 1, "b": 1})
    ended(session, executor, job, "playbook_failed", artifacts={"b": 2})
    assert job_of(session, job).artifacts == {"b": 2}
    session.execute(text("UPDATE job_runs SET \"limit\" = 'web01' WHERE state = 'pending'"))
    ended(session, executor, job, "playbook_failed", artifacts={"c": 3})
    assert job_of(session, job).artifacts == {"b": 2, "c": 3}
