"""Claim, lease, start and finish of an attempt on a real database, with the races that happen to them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from threading import Barrier
from typing import Any

import pytest
from drover_api.internal.attempts import Claim, LeaseTerms, claim
from drover_api.internal.executors import Registration, known_executor, next_run, register
from drover_api.internal.lifecycle import Ending, finish, heartbeat, start
from drover_shared.db.models import Executor, Job, JobRun
from drover_shared.db.transitions import move_run
from drover_shared.domain.errors import ConflictError, GoneError, UnauthenticatedError
from drover_shared.domain.states import RunState
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker
from support.job_rows import QueuedJob, add_executor, add_queued_job

TERMS = LeaseTerms(lease_seconds=30, heartbeat_interval_seconds=5)
EMPTY = sha256(b"").hexdigest()


def ending(state: RunState = RunState.SUCCESSFUL, **values: Any) -> Ending:
    defaults: dict[str, Any] = {
        "exit_code": 0,
        "error_reason": None,
        "error_detail": None,
        "last_seq": 0,
        "log_chunks": 0,
        "log_bytes": 0,
        "log_sha256": EMPTY,
    }
    return Ending(state=state, **(defaults | values))


@pytest.fixture
def sessions(engine: Engine) -> "sessionmaker[Session]":
    return sessionmaker(engine, expire_on_commit=False)


@pytest.fixture
def session(sessions: "sessionmaker[Session]") -> Iterator[Session]:
    with sessions() as session:
        yield session


@pytest.fixture
def executor(session: Session) -> Executor:
    executor = add_executor(session)
    session.commit()
    return executor


@pytest.fixture
def queued(session: Session) -> QueuedJob:
    queued = add_queued_job(session)
    session.commit()
    return queued


def claimed(session: Session, queued: QueuedJob, executor: Executor) -> Claim:
    won = claim(session, queued.run_id, executor, TERMS)
    session.commit()
    return won


def states(session: Session, queued: QueuedJob) -> tuple[str, str]:
    session.rollback()
    job = session.get_one(Job, queued.job_id, populate_existing=True)
    run = session.get_one(JobRun, queued.run_id, populate_existing=True)
    return job.status, run.state


def test_a_claim_prepares_the_run_and_leaves_the_job_queued(
    session: Session, queued: QueuedJob, executor: Executor
) -> None:
    claimed(session, queued, executor)
    assert states(session, queued) == ("queued", "starting")


def test_a_repeated_claim_gives_new_tokens_and_the_old_ones_die(
    session: Session, queued: QueuedJob, executor: Executor
) -> None:
    first = claimed(session, queued, executor)
    second = claimed(session, queued, executor)
    assert first.run_token != second.run_token
    with pytest.raises(UnauthenticatedError):
        start(session, queued.run_id, first.run_token, None, TERMS)
    assert start(session, queued.run_id, second.run_token, None, TERMS).cancel == "none"


def test_another_executor_is_told_that_the_run_is_taken(
    session: Session, queued: QueuedJob, executor: Executor
) -> None:
    claimed(session, queued, executor)
    other = add_executor(session, "two", "drexec_two")
    with pytest.raises(ConflictError):
        claim(session, queued.run_id, other, TERMS)


def test_a_run_of_another_pool_is_refused(session: Session, executor: Executor) -> None:
    foreign = add_queued_job(session, pool="dmz")
    with pytest.raises(ConflictError, match="dmz"):
        claim(session, foreign.run_id, executor, TERMS)


def test_of_many_claims_at_once_one_wins(
    sessions: "sessionmaker[Session]", session: Session, queued: QueuedJob
) -> None:
    count = 8
    executors = [add_executor(session, f"e{n}", f"drexec_{n}").id for n in range(count)]
    session.commit()
    barrier = Barrier(count)

    def attempt(executor_id: int) -> bool:
        with sessions() as mine:
            executor = mine.get_one(Executor, executor_id)
            barrier.wait()
            try:
                claim(mine, queued.run_id, executor, TERMS)
                mine.commit()
            except ConflictError:
                return False
            return True

    with ThreadPoolExecutor(count) as pool:
        assert sum(pool.map(attempt, executors)) == 1


def test_start_moves_job_and_run_and_may_be_repeated(
    session: Session, queued: QueuedJob, executor: Executor
) -> None:
    token = claimed(session, queued, executor).run_token
    assert start(session, queued.run_id, token, "abc123", TERMS).cancel == "none"
    session.commit()
    assert start(session, queued.run_id, token, "abc123", TERMS).cancel == "none"
    session.commit()
    assert states(session, queued) == ("running", "running")
    assert session.get_one(JobRun, queued.run_id).project_revision == "abc123"


@pytest.mark.parametrize(
    ("state", "reason", "job_status"),
    [
        (RunState.SUCCESSFUL, None, "successful"),
        (RunState.FAILED, "playbook_failed", "failed"),
        (RunState.FAILED, "timeout", "failed"),
        (RunState.FAILED, "credential_error", "error"),
        (RunState.CANCELED, None, "canceled"),
    ],
)
def test_finish_ends_job_and_run_together(
    session: Session,
    queued: QueuedJob,
    executor: Executor,
    state: RunState,
    reason: str | None,
    job_status: str,
) -> None:
    token = claimed(session, queued, executor).run_token
    start(session, queued.run_id, token, None, TERMS)
    assert finish(session, queued.run_id, token, ending(state, error_reason=reason)).missing is None
    session.commit()
    assert states(session, queued) == (job_status, state)


def test_a_run_may_fail_before_its_play(session: Session, queued: QueuedJob, executor: Executor) -> None:
    token = claimed(session, queued, executor).run_token
    finish(session, queued.run_id, token, ending(RunState.FAILED, error_reason="project_unreachable"))
    session.commit()
    assert states(session, queued) == ("error", "failed")
    assert "repository" in (session.get_one(Job, queued.job_id).error_detail or "")


def test_a_run_does_not_succeed_without_a_start(
    session: Session, queued: QueuedJob, executor: Executor
) -> None:
    token = claimed(session, queued, executor).run_token
    with pytest.raises(ConflictError):
        finish(session, queued.run_id, token, ending())
    assert states(session, queued) == ("queued", "starting")


def test_finish_names_what_is_missing_until_all_is_stored(
    session: Session, queued: QueuedJob, executor: Executor
) -> None:
    token = claimed(session, queued, executor).run_token
    start(session, queued.run_id, token, None, TERMS)
    last = ending(last_seq=10, log_chunks=2, log_bytes=7)
    _store(session, queued, "{[2,5),[8,9)}", "{[1,2)}", 3)
    missing = finish(session, queued.run_id, token, last).missing
    assert missing is not None
    assert missing.missing == [[1, 1], [5, 7], [9, 10]]
    assert missing.missing_log == [[0, 0]]
    _store(session, queued, "{[1,11)}", "{[0,2)}", 7)
    again = finish(session, queued.run_id, token, last)
    assert (again.missing, list(again.moved_jobs)) == (None, [])


def test_a_finished_attempt_ends_only_once(session: Session, queued: QueuedJob, executor: Executor) -> None:
    token = claimed(session, queued, executor).run_token
    start(session, queued.run_id, token, None, TERMS)
    finish(session, queued.run_id, token, ending())
    with pytest.raises(ConflictError):
        finish(session, queued.run_id, token, ending(RunState.FAILED))
    assert heartbeat(session, queued.run_id, token, 0, -1, TERMS).cancel == "none"


def test_a_heartbeat_renews_the_lease_and_tells_the_gaps(
    session: Session, queued: QueuedJob, executor: Executor
) -> None:
    won = claimed(session, queued, executor)
    _store(session, queued, "{[1,4),[6,7)}", "{[0,1)}", 5)
    session.commit()
    beat = heartbeat(session, queued.run_id, won.run_token, 8, 1, TERMS)
    assert beat.lease_expires_at > won.lease_expires_at
    assert (beat.stored.committed_seq, beat.stored.gaps.missing) == (3, [[4, 5], [7, 8]])
    assert (beat.stored.committed_log_seq, beat.stored.gaps.missing_log) == (0, [[1, 1]])


def test_a_lost_attempt_is_told_so_in_every_call(
    session: Session, queued: QueuedJob, executor: Executor
) -> None:
    token = claimed(session, queued, executor).run_token
    move_run(session, queued.run_id, RunState.LOST)
    session.commit()
    with pytest.raises(GoneError):
        heartbeat(session, queued.run_id, token, 0, -1, TERMS)
    with pytest.raises(GoneError):
        start(session, queued.run_id, token, None, TERMS)
    with pytest.raises(GoneError):
        finish(session, queued.run_id, token, ending())
    with pytest.raises(GoneError):
        claim(session, queued.run_id, executor, TERMS)


def test_a_cancel_reaches_the_executor_first_gently(
    session: Session, queued: QueuedJob, executor: Executor
) -> None:
    token = claimed(session, queued, executor).run_token
    session.execute(text("UPDATE jobs SET cancel_requested = true, cancel_requested_at = now()"))
    session.commit()
    assert start(session, queued.run_id, token, None, TERMS).cancel == "graceful"
    session.execute(text("UPDATE jobs SET cancel_requested_at = now() - interval '1 minute'"))
    session.commit()
    assert heartbeat(session, queued.run_id, token, 0, -1, TERMS).cancel == "kill"


def test_registering_again_keeps_the_id_and_ends_the_old_token(session: Session) -> None:
    first_id, first = register(session, Registration("one", ["default", "dmz"], 2, "1"))
    second_id, second = register(session, Registration("one", ["default"], 4, "2"))
    assert first_id == second_id
    assert known_executor(session, second).slots == 4
    with pytest.raises(UnauthenticatedError):
        known_executor(session, first)


def test_the_next_run_is_the_one_that_waits_longest(session: Session, executor: Executor) -> None:
    first = add_queued_job(session)
    add_queued_job(session, priority=5)  # the scheduler has weighed it already
    add_queued_job(session, pool="dmz")
    assert next_run(session, executor, None) == first.run_id
    assert next_run(session, executor, ["dmz"]) is None


def test_an_attempt_is_not_to_be_had_before_its_back_off_is_over(
    session: Session, queued: QueuedJob, executor: Executor
) -> None:
    session.execute(text("UPDATE job_runs SET available_at = now() + interval '1 minute'"))
    assert next_run(session, executor, None) is None
    with pytest.raises(ConflictError, match="waits a while"):
        claim(session, queued.run_id, executor, TERMS)
    session.execute(text("UPDATE job_runs SET available_at = now()"))
    assert next_run(session, executor, None) == queued.run_id
    claim(session, queued.run_id, executor, TERMS)


def _store(session: Session, queued: QueuedJob, events: str, chunks: str, size: int) -> None:
    upsert = (
        "INSERT INTO {table} (job_run_id, job_id, received{more}) VALUES (:run, :job, :received{value}) "
        "ON CONFLICT (job_run_id) DO UPDATE SET received = excluded.received{update}"
    )
    values = {"run": queued.run_id, "job": queued.job_id}
    session.execute(
        text(upsert.format(table="run_event_progress", more="", value="", update="")),
        values | {"received": events},
    )
    log = {"table": "run_log_progress", "more": ", bytes", "value": ", :bytes"}
    session.execute(
        text(upsert.format(**log, update=", bytes = excluded.bytes")),
        values | {"received": chunks, "bytes": size},
    )
