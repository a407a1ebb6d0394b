"""Rows that a test of jobs needs, made straight in the database."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from drover_shared.db.models import (
    Executor,
    InventorySnapshot,
    Job,
    JobRun,
)
from drover_shared.ids import new_run_id, token_hash
from sqlalchemy.orm import Session

EXECUTOR_TOKEN = "drexec_of-the-test"
SNAPSHOT = {"mode": "inline", "content": "[all]\nweb01.example.com\n", "path": None}
PROJECT = {
    "id": 9,
    "scm_type": "git",
    "scm_url": "https://git.example.com/deploy.git",
    "scm_branch": "main",
    "scm_credential_id": None,
    "scm_submodules": False,
    "scm_revision": None,
}


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job in `queued` with its pending run."""

    job_id: int
    run_id: UUID


def add_executor(session: Session, name: str = "one", token: str = EXECUTOR_TOKEN, **values: Any) -> Executor:
    executor = Executor(
        name=name, pools=["default"], slots=2, version="1", token_hash=token_hash(token), **values
    )
    session.add(executor)
    session.flush()
    return executor


def add_job(session: Session, **values: Any) -> Job:
    """A pending job with everything its launch froze."""
    snapshot = InventorySnapshot(inventory_id=42, version=_next_version(session), manifest=SNAPSHOT)
    session.add(snapshot)
    session.flush()
    defaults: dict[str, Any] = {
        "name": "Deploy App",
        "organization_id": 1,
        "inventory_id": 42,
        "project_id": 9,
        "execution_environment_id": 5,
        "inventory_snapshot_id": snapshot.id,
        "project": PROJECT,
        "environment": {"id": 5, "image": "registry.example.com/ee:latest"},
        "playbook": "deploy.yml",
    }
    job = Job(**(defaults | values))
    session.add(job)
    session.flush()
    return job


def _next_version(session: Session) -> int:
    return session.query(InventorySnapshot).count() + 1


def queue_attempt(session: Session, job_id: int) -> QueuedJob:
    """A pending first attempt at a launched job, as the scheduler makes it."""
    run = JobRun(id=new_run_id(), job_id=job_id, attempt_number=1)
    session.add(run)
    session.flush()
    job = session.get_one(Job, job_id)
    job.status, job.current_run_id = "queued", run.id
    session.flush()
    return QueuedJob(job_id, run.id)


def add_queued_job(session: Session, *, pool: str = "default", **values: Any) -> QueuedJob:
    """What the scheduler leaves behind: a queued job and a pending first attempt."""
    job = add_job(session, executor_pool=pool, **values)
    run = JobRun(id=new_run_id(), job_id=job.id, attempt_number=1, pool=pool)
    session.add(run)
    session.flush()
    job.status, job.current_run_id = "queued", run.id
    session.flush()
    return QueuedJob(job.id, run.id)
