"""What an executor needs to run an attempt: specification 7.1, and what it leaves open."""

from collections.abc import Callable, Mapping
from typing import Any

from drover_shared.db.models import Credential, CredentialType, InventorySnapshot, Job, JobRun
from drover_shared.messages.streams import MAX_BATCH_BYTES, MAX_CHUNK_BYTES, MAX_EVENT_BYTES
from sqlalchemy import select
from sqlalchemy.orm import Session

DELETED_TYPE = "deleted"

OpenSecrets = Callable[[bytes], Mapping[str, Any]]


def manifest(session: Session, run: JobRun, open_secrets: OpenSecrets) -> dict[str, Any]:
    """The manifest of a live attempt, from what its launch froze; it holds no credential's secret.

    Secret survey answers are in `extra_vars`; `secret_vars` names them, so that the executor masks them.
    `open_secrets` decrypts `Job.secret_vars`.
    """
    job = session.get_one(Job, run.job_id)
    secrets = {} if job.secret_vars is None else dict(open_secrets(job.secret_vars))
    environment = job.environment or {}
    return {
        "job_run_id": str(run.id),
        "job_id": job.id,
        "attempt_number": run.attempt_number,
        "execution_environment": {"id": environment.get("id"), "image": environment.get("image")},
        "inventory": _inventory(session, job),
        "playbook": {"type": "scm", "project_id": job.project_id, "playbook_path": job.playbook},
        "extra_vars": {**job.extra_vars, **secrets},
        "credentials": _credentials(session, job),
        "timeout_seconds": job.timeout_seconds,
        "limit": run.limit or job.limit,
        "verbosity": job.verbosity,
        **_beyond_the_specification(session, job, run, environment, sorted(secrets)),
    }


def _beyond_the_specification(
    session: Session, job: Job, run: JobRun, environment: Mapping[str, Any], secret_vars: list[str]
) -> dict[str, Any]:
    return {
        "job_name": job.name,
        "kind": job.kind,
        "job_type": job.job_type,
        "forks": job.forks,
        "tags": job.tags,
        "skip_tags": job.skip_tags,
        "start_at_task": job.start_at_task,
        "untrusted_vars": job.untrusted_vars,
        "diff_mode": job.diff_mode,
        "become_enabled": job.become_enabled,
        "use_fact_cache": job.use_fact_cache,
        "secret_vars": secret_vars,
        "traceparent": job.traceparent,
        "execution_environment_pull": environment.get("pull", "missing"),
        "execution_environment_credential_id": environment.get("credential_id"),
        "inventory_project": job.inventory_project,
        "slice": _slice(job),
        "project": {**job.project, "scm_revision": _revision(session, job, run)},
        "max_event_bytes": MAX_EVENT_BYTES,
        "max_batch_bytes": MAX_BATCH_BYTES,
        "max_chunk_bytes": MAX_CHUNK_BYTES,
    }


def _slice(job: Job) -> dict[str, Any] | None:
    """Its share is of what the job's own `limit` leaves, also where an attempt's is narrower."""
    if job.slice_number is None:
        return None
    return {"number": job.slice_number, "count": job.slice_count, "limit": job.limit}


def _inventory(session: Session, job: Job) -> dict[str, Any]:
    if job.inventory_snapshot_id is None:
        return {"mode": "inline", "content": "", "path": None}
    frozen = session.scalars(
        select(InventorySnapshot.manifest).where(InventorySnapshot.id == job.inventory_snapshot_id)
    ).one()
    return {"mode": "inline", "content": None, "path": None, **frozen}


def _credentials(session: Session, job: Job) -> list[dict[str, Any]]:
    """In the launch's order; one deleted since is listed too, so that fetching it fails the run openly."""
    if not job.credential_ids:
        return []
    rows = session.execute(
        select(Credential.id, CredentialType.namespace, Credential.name)
        .join(CredentialType, CredentialType.id == Credential.credential_type_id)
        .where(Credential.id.in_(job.credential_ids))
    )
    known = {row.id: {"id": row.id, "type": row.namespace, "name": row.name} for row in rows}
    return [known.get(one, {"id": one, "type": DELETED_TYPE, "name": ""}) for one in job.credential_ids]


def _revision(session: Session, job: Job, run: JobRun) -> str | None:
    """What an earlier attempt ran, so that a new one runs the same; else what the launch asked for."""
    earlier = run.project_revision
    if run.attempt_number > 1:
        earlier = _first_revision(session, job)
    return earlier or job.project.get("scm_revision")


def _first_revision(session: Session, job: Job) -> str | None:
    return session.scalars(
        select(JobRun.project_revision)
        .where(JobRun.job_id == job.id, JobRun.project_revision.is_not(None))
        .order_by(JobRun.attempt_number)
        .limit(1)
    ).first()
