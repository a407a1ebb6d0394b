"""The secret fields of one credential, for a live attempt of a job that uses it; each read is audited."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from drover_shared.db.models import Credential, CredentialSnapshot, Executor, Job, JobRun
from drover_shared.domain.errors import NotFoundError
from sqlalchemy import select
from sqlalchemy.orm import Session

from drover_api.activity import record
from drover_api.jobs.prompted import with_prompted

OpenSecrets = Callable[[bytes], Mapping[str, Any]]

# `{{ field }}`; names with a dot, such as `{{ drover.filename }}`, stand for a path only the executor knows.
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


def credential(
    session: Session, run: JobRun, credential_id: int, open_secrets: OpenSecrets
) -> dict[str, Any]:
    """All fields of a credential as the launch froze it, secrets in clear, and its injectors filled in.

    Raises NotFoundError where the run's job does not use it, or it was deleted since the launch.
    """
    job = session.get_one(Job, run.job_id)
    organization_id = select(Credential.organization_id).where(Credential.id == credential_id)
    held = session.scalars(
        select(CredentialSnapshot).where(
            CredentialSnapshot.credential_id == credential_id,
            CredentialSnapshot.id.in_(job.credential_snapshot_ids),
        )
    ).one_or_none()
    if held is None or credential_id not in used_credentials(job):
        raise NotFoundError("This run uses no such credential.")
    stored = {**held.inputs, **({} if held.secrets is None else open_secrets(held.secrets))}
    prompted = {} if job.credential_secrets is None else open_secrets(job.credential_secrets)
    inputs = with_prompted(stored, held.asked_names, prompted.get(str(credential_id), {}))
    _audit(session, run, credential_id, session.scalar(organization_id))
    return {
        "id": credential_id,
        "type": held.namespace,
        "name": held.name,
        "inputs": inputs,
        "injectors": injected(held.injectors, inputs),
    }


def used_credentials(job: Job) -> set[int]:
    """The ids of everything secret a run of `job` may read: its own, its projects', its image registry's."""
    others = (
        job.project.get("scm_credential_id"),
        (job.inventory_project or {}).get("scm_credential_id"),
        (job.environment or {}).get("credential_id"),
    )
    return {*job.credential_ids, *(one for one in others if one is not None)}


def injected(injectors: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """`{env, extra_vars, files}` with `{{ field }}` replaced by the credential's own values.

    `files` is {name: text}, its names as in the type's `file`: `template`, or `template.<name>` for several.
    Other places name a file's path as `{{ drover.filename }}` or `{{ drover.filename.<name> }}`, which is
    left for the executor. What comes out empty, because its field has no value, is left out.
    """
    env, extra_vars = (_filled(injectors.get(kind, {}), inputs) for kind in ("env", "extra_vars"))
    return {
        "env": {key: value for key, value in env.items() if value != ""},
        "extra_vars": {key: value for key, value in extra_vars.items() if value != ""},
        "files": _filled(injectors.get("file", {}), inputs),
    }


def _filled(value: Any, inputs: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(inner, inputs) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, inputs) for inner in value]
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: _text(inputs.get(match[1])), value)
    return value


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _audit(session: Session, run: JobRun, credential_id: int, organization_id: int | None) -> None:
    name = session.scalars(select(Executor.name).where(Executor.id == run.executor_id)).one_or_none()
    record(
        session,
        f"executor:{name or 'unknown'}",
        "read_secret",
        "credential",
        credential_id,
        organization_id=organization_id,
        changes={"job_id": [None, run.job_id], "job_run_id": [None, str(run.id)]},
    )
