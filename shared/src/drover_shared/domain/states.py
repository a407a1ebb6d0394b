"""The life of a job and of a run attempt, as data.

The statuses are the specification's (2.5, 2.6); the moves between them are `completion.md` section 3.
The database holds the same table in a trigger; a test compares the two.
"""

from collections.abc import Mapping
from enum import StrEnum


class JobKind(StrEnum):
    """What an executor does for a job."""

    PLAYBOOK = "playbook"
    PROJECT_SYNC = "project_sync"  # find a project's revision and its playbooks


class JobStatus(StrEnum):
    """Status of a job, the logical unit a user launched."""

    PENDING = "pending"  # accepted, no attempt exists
    QUEUED = "queued"  # an attempt exists and waits for an executor
    RUNNING = "running"  # an executor runs the playbook
    SUCCESSFUL = "successful"  # the playbook ended well on every host
    FAILED = "failed"  # the playbook failed or ran out of time
    CANCELED = "canceled"  # a user asked for the end
    ERROR = "error"  # the platform could not run it


class RunState(StrEnum):
    """State of a run, one physical attempt at a job."""

    PENDING = "pending"  # waits to be claimed
    STARTING = "starting"  # claimed: an executor prepares it
    RUNNING = "running"  # the playbook runs
    SUCCESSFUL = "successful"
    FAILED = "failed"
    CANCELED = "canceled"
    LOST = "lost"  # its lease expired: nobody answers for it


JOB_TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.PENDING: frozenset({JobStatus.QUEUED, JobStatus.CANCELED, JobStatus.ERROR}),
    JobStatus.QUEUED: frozenset(
        {
            JobStatus.RUNNING,
            JobStatus.FAILED,  # an attempt may fail while it prepares: a syntax error, a time-out
            JobStatus.CANCELED,
            JobStatus.ERROR,
        }
    ),
    JobStatus.RUNNING: frozenset(
        {
            JobStatus.QUEUED,  # the attempt was lost and another one waits
            JobStatus.SUCCESSFUL,
            JobStatus.FAILED,
            JobStatus.CANCELED,
            JobStatus.ERROR,
        }
    ),
    JobStatus.SUCCESSFUL: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELED: frozenset(),
    JobStatus.ERROR: frozenset(),
}

RUN_TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    RunState.PENDING: frozenset({RunState.STARTING, RunState.CANCELED, RunState.FAILED}),
    RunState.STARTING: frozenset({RunState.RUNNING, RunState.FAILED, RunState.CANCELED, RunState.LOST}),
    RunState.RUNNING: frozenset({RunState.SUCCESSFUL, RunState.FAILED, RunState.CANCELED, RunState.LOST}),
    RunState.SUCCESSFUL: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.CANCELED: frozenset(),
    RunState.LOST: frozenset(),
}

FINAL_JOB_STATUSES = frozenset(status for status, targets in JOB_TRANSITIONS.items() if not targets)
FINAL_RUN_STATES = frozenset(state for state, targets in RUN_TRANSITIONS.items() if not targets)
LIVE_RUN_STATES = frozenset(RunState) - FINAL_RUN_STATES


def job_sources(target: JobStatus) -> frozenset[JobStatus]:
    """The statuses from which a job may move to `target`."""
    return frozenset(status for status, targets in JOB_TRANSITIONS.items() if target in targets)


def run_sources(target: RunState) -> frozenset[RunState]:
    """The states from which a run may move to `target`."""
    return frozenset(state for state, targets in RUN_TRANSITIONS.items() if target in targets)
