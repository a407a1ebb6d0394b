"""Credentials: public fields as they are, secret ones encrypted together, with the key's id beside them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from drover_shared.db.models import (
    Credential,
    CredentialType,
    ExecutionEnvironment,
    Job,
    JobTemplate,
    JobTemplateCredential,
    Project,
    RoleAssignment,
)
from drover_shared.domain.errors import ConflictError, FieldError, InvalidError
from drover_shared.domain.states import FINAL_JOB_STATUSES
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from drover_api.access.allowed import visible
from drover_api.access.principal import Principal
from drover_api.access.roles import ADMIN
from drover_api.crypto import MASK, Vault
from drover_api.deps import deps
from drover_api.http.body import pointer_token
from drover_api.resources.credentials.schemas import CredentialBodySchema, CredentialQuery, CredentialSchema
from drover_api.resources.crud import NAMED_USERS, Resource, Values, named

ASK = "ASK"  # the value of a secret that each launch gives
MAX_INPUT_CHARS = 64 * 1024


class Credentials(Resource):
    model = Credential
    kind = "credential"
    out = CredentialSchema
    body = CredentialBodySchema
    query = CredentialQuery
    used_by = ((Project, "credential_id"), (ExecutionEnvironment, "credential_id"))

    def filters(self) -> Mapping[str, Callable[[Any], ColumnElement[bool]]]:
        of_type = select(CredentialType.id)
        return {
            "type": lambda namespace: Credential.credential_type_id.in_(
                of_type.where(CredentialType.namespace == namespace)
            )
        }

    def may_create(self, db: Session, principal: Principal, values: Values) -> None:
        if values["organization_id"] is not None:
            self.own(db, principal, values["organization_id"])

    def writable(self, db: Session, row: Credential) -> Values:
        document = super().writable(db, row)
        document["inputs"] = masked(row)
        return document

    def check(self, db: Session, principal: Principal, values: Values, row: Credential | None) -> None:
        del principal
        kind = db.get(CredentialType, values["credential_type_id"])
        if kind is None:
            raise InvalidError(FieldError("/credential_type_id", "there is no such credential type"))
        if row is not None and row.credential_type_id != kind.id:
            raise InvalidError(FieldError("/credential_type_id", "cannot be changed"))
        kept = frozenset(row.secret_names) if row is not None else frozenset()
        if errors := list(input_faults(kind.inputs, values["inputs"], kept)):
            raise InvalidError(*errors)

    def columns(self, db: Session, values: Values, row: Credential | None) -> Values:
        kind = db.get_one(CredentialType, values["credential_type_id"])
        return {**values, **sealed(deps().vault, kind, values["inputs"], row)}

    def stored(
        self, db: Session, principal: Principal, row: Credential, values: Values, *, created: bool
    ) -> None:
        """Who makes a credential that no organization owns is its admin."""
        if created and values["organization_id"] is None:
            db.add(
                RoleAssignment(
                    role=ADMIN, resource_type=self.kind, resource_id=row.id, user_id=principal.user_id
                )
            )

    def before_delete(self, db: Session, principal: Principal, row: Credential) -> None:
        """A template, or a job that has not ended, still needs it."""
        templates = (
            select(JobTemplate.id, JobTemplate.name, visible(JobTemplate, principal).label("seen"))
            .join(JobTemplateCredential, JobTemplateCredential.job_template_id == JobTemplate.id)
            .where(JobTemplateCredential.credential_id == row.id)
        )
        live_jobs = select(Job.id, Job.name, visible(Job, principal).label("seen")).where(
            Job.status.not_in(sorted(FINAL_JOB_STATUSES)), Job.credential_ids.any_() == row.id
        )
        for model, query in ((JobTemplate, templates), (Job, live_jobs)):
            if found := db.execute(query.limit(NAMED_USERS)).all():
                raise ConflictError(f"credential {row.id} is in use by {named(model, found)}")

    def present(self, db: Session, rows: Sequence[Credential]) -> Sequence[Values]:
        wanted = {row.credential_type_id for row in rows}
        namespaces = dict(
            db.execute(
                select(CredentialType.id, CredentialType.namespace).where(CredentialType.id.in_(wanted))
            ).all()
        )
        shown = (
            "id",
            "name",
            "description",
            "organization_id",
            "credential_type_id",
            "created_at",
            "modified_at",
        )
        return [
            {name: getattr(row, name) for name in shown}
            | {"type": namespaces[row.credential_type_id], "inputs": masked(row)}
            for row in rows
        ]


def masked(row: Credential) -> Values:
    """The inputs as a client may see them."""
    return {**row.inputs, **dict.fromkeys(row.secret_names, MASK), **dict.fromkeys(row.asked_names, ASK)}


def sealed(vault: Vault, kind: CredentialType, inputs: Values, row: Credential | None) -> Values:
    """`inputs` as columns: `$encrypted$` keeps what `row` holds, an absent secret is forgotten."""
    secret = {field["id"] for field in kind.inputs.get("fields", []) if field.get("secret")}
    old = vault.decrypt(row.secrets) if row is not None else {}
    asked = sorted(name for name, value in inputs.items() if value == ASK and name in _askable(kind.inputs))
    secrets = {
        name: old[name] if value == MASK else value
        for name, value in inputs.items()
        if name in secret and name not in asked
    }
    public = {name: value for name, value in inputs.items() if name not in secret}
    names = sorted(secrets)
    if row is not None and secrets == old:
        return {"inputs": public, "secret_names": names, "asked_names": asked}
    return {
        "inputs": public,
        "asked_names": asked,
        "secret_names": names,
        "secrets": vault.encrypt(secrets) if secrets else None,
        "key_id": vault.key_id if secrets else None,
    }


def _askable(schema: Values) -> set[str]:
    return {field["id"] for field in schema.get("fields", []) if field.get("ask_at_runtime")}


def input_faults(schema: Values, inputs: Values, kept: frozenset[str]) -> Iterator[FieldError]:
    """What is wrong with `inputs` by the type's schema; `kept` are the secrets that exist already."""
    known = {field["id"]: field for field in schema.get("fields", [])}
    for name, value in inputs.items():
        if name not in known:
            yield FieldError(_at(name), "Unknown field.")
        elif value == MASK and known[name].get("secret"):
            if name not in kept:
                yield FieldError(_at(name), "There is no stored secret to keep.")
        elif fault := _fault(known[name], value):
            yield FieldError(_at(name), fault)
    for name in schema.get("required", []):
        if inputs.get(name) in (None, ""):
            yield FieldError(_at(name), "Missing data for required field.")


def _at(name: str) -> str:
    return f"/inputs/{pointer_token(name)}"


def _fault(field: Mapping[str, Any], value: Any) -> str | None:
    if field.get("type") == "boolean":
        return None if isinstance(value, bool) else "Not a valid boolean."
    if not isinstance(value, str):
        return "Not a valid string."
    if len(value) > MAX_INPUT_CHARS:
        return f"Longer than maximum length {MAX_INPUT_CHARS}."
    if "choices" in field and value not in field["choices"]:
        return f"Must be one of: {', '.join(field['choices'])}."
    return None
