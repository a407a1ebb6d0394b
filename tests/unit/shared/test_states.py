"""The lifecycle tables, exhaustively."""

from itertools import product

import pytest
from drover_shared.domain.reasons import SENTENCES, Reason, job_status_after
from drover_shared.domain.states import (
    FINAL_JOB_STATUSES,
    FINAL_RUN_STATES,
    JOB_TRANSITIONS,
    LIVE_RUN_STATES,
    RUN_TRANSITIONS,
    JobStatus,
    RunState,
    job_sources,
    run_sources,
)


def test_the_statuses_are_the_specifications() -> None:
    assert " | ".join(JobStatus) == "pending | queued | running | successful | failed | canceled | error"
    assert " | ".join(RunState) == "pending | starting | running | successful | failed | canceled | lost"


def test_every_status_has_its_row() -> None:
    assert set(JOB_TRANSITIONS) == set(JobStatus)
    assert set(RUN_TRANSITIONS) == set(RunState)


def test_what_is_final_never_moves() -> None:
    assert {"successful", "failed", "canceled", "error"} == FINAL_JOB_STATUSES
    assert {"successful", "failed", "canceled", "lost"} == FINAL_RUN_STATES
    assert {"pending", "starting", "running"} == LIVE_RUN_STATES


@pytest.mark.parametrize(("source", "target"), list(product(JobStatus, JobStatus)))
def test_job_sources_turn_the_table_around(source: JobStatus, target: JobStatus) -> None:
    assert (source in job_sources(target)) == (target in JOB_TRANSITIONS[source])


@pytest.mark.parametrize(("source", "target"), list(product(RunState, RunState)))
def test_run_sources_turn_the_table_around(source: RunState, target: RunState) -> None:
    assert (source in run_sources(target)) == (target in RUN_TRANSITIONS[source])


def test_every_live_status_reaches_an_end() -> None:
    for status in set(JobStatus) - FINAL_JOB_STATUSES:
        assert JobStatus.CANCELED in JOB_TRANSITIONS[status]
        assert JobStatus.ERROR in JOB_TRANSITIONS[status]
    for state in LIVE_RUN_STATES:
        assert RunState.CANCELED in RUN_TRANSITIONS[state]


@pytest.mark.parametrize(
    ("state", "reason", "status"),
    [
        (RunState.SUCCESSFUL, None, JobStatus.SUCCESSFUL),
        (RunState.CANCELED, Reason.CANCELED, JobStatus.CANCELED),
        (RunState.LOST, Reason.EXECUTOR_LOST, JobStatus.ERROR),
        (RunState.FAILED, None, JobStatus.FAILED),
        (RunState.FAILED, Reason.PLAYBOOK_FAILED, JobStatus.FAILED),
        (RunState.FAILED, Reason.PLAYBOOK_SYNTAX_ERROR, JobStatus.FAILED),
        (RunState.FAILED, Reason.PLAYBOOK_NOT_FOUND, JobStatus.FAILED),
        (RunState.FAILED, Reason.TIMEOUT, JobStatus.FAILED),
        (RunState.FAILED, Reason.PROJECT_UNREACHABLE, JobStatus.ERROR),
        (RunState.FAILED, Reason.EXECUTOR_ERROR, JobStatus.ERROR),
        (RunState.FAILED, "a_reason_from_the_future", JobStatus.ERROR),
    ],
)
def test_the_run_decides_the_jobs_status(state: RunState, reason: str | None, status: JobStatus) -> None:
    assert job_status_after(state, reason) is status


def test_a_live_run_decides_nothing() -> None:
    with pytest.raises(ValueError, match="has not ended"):
        job_status_after(RunState.RUNNING, None)


def test_every_reason_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Reason)
