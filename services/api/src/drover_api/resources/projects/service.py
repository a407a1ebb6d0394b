"""Projects: where playbooks come from."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from drover_shared.db.models import Credential, CredentialType, Inventory, Job, JobTemplate, Project
from drover_shared.db.project_syncs import forget
from drover_shared.domain.errors import FieldError, InvalidError
from sqlalchemy import select
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.roles import USE
from drover_api.entities import columns
from drover_api.jobs.syncs import last_syncs
from drover_api.resources.crud import Resource, Values
from drover_api.resources.executors.service import require_pool
from drover_api.resources.projects.schemas import ProjectBodySchema, ProjectQuery, ProjectSchema

_SOURCE = ("scm_type", "scm_url", "scm_branch")
# `ext::` and the like run commands; these are what git is let to speak.
SCHEMES = frozenset({"https", "http", "ssh", "git", "file"})


class Projects(Resource):
    model = Project
    kind = "project"
    out = ProjectSchema
    body = ProjectBodySchema
    query = ProjectQuery
    used_by = ((JobTemplate, "project_id"), (Inventory, "source_project_id"))
    references = {  # noqa: RUF012 - a constant of the class
        "credential_id": ("credential", USE),
        "execution_environment_id": ("execution_environment", USE),
    }

    def check(self, db: Session, principal: Principal, values: Values, row: Project | None) -> None:
        del principal, row
        require_pool(db, values["executor_pool"])
        if values["scm_type"] == "git" and (fault := git_url_fault(values["scm_url"])):
            raise InvalidError(FieldError("/scm_url", fault))
        if values["credential_id"] is None:
            return
        kind = db.scalar(
            select(CredentialType.namespace)
            .join(Credential, Credential.credential_type_id == CredentialType.id)
            .where(Credential.id == values["credential_id"])
        )
        if kind != "scm":
            raise InvalidError(FieldError("/credential_id", "Must be a credential of type scm."))

    def columns(self, db: Session, values: Values, row: Project | None) -> Values:
        """What was found in one source says nothing about another."""
        if row is None or all(getattr(row, name) == values[name] for name in _SOURCE):
            return values
        forget(db, row.id)
        return {**values, "scm_revision": None, "synced_at": None}

    def present(self, db: Session, rows: Sequence[Project]) -> Sequence[Values]:
        newest = last_syncs(db, [row.id for row in rows])
        return [columns(row) | {"last_sync": _told(newest.get(row.id))} for row in rows]


def _told(sync: Job | None) -> Values | None:
    shown = ("status", "error_reason", "error_detail", "created_at", "finished_at")
    return None if sync is None else {"job_id": sync.id, **{name: getattr(sync, name) for name in shown}}


def git_url_fault(url: str) -> str | None:
    """Why git is not given `url`, or None: a known scheme, an absolute path, or user@host:path."""
    if "::" in url:
        return "Remote helpers (name::address) are not allowed."
    try:
        parts = urlsplit(url)
    except ValueError:
        return "Not a valid address."
    if "://" in url:
        if parts.scheme not in SCHEMES:
            return f"Must be one of {', '.join(sorted(SCHEMES))}, an absolute path or user@host:path."
        if parts.password:
            return "A password belongs into a credential."
        return None
    is_scp = ":" in url.split("/", 1)[0]
    return None if url.startswith("/") or is_scp else "Must be an address or an absolute path."
