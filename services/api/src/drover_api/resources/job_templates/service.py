"""Job templates: they belong to the organization of their project."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drover_shared.db.models import (
    Credential,
    CredentialType,
    ExecutionEnvironment,
    JobTemplate,
    JobTemplateCredential,
    Project,
)
from drover_shared.domain.errors import FieldError, InvalidError
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import reference
from drover_api.access.roles import USE
from drover_api.entities import columns
from drover_api.http.pages import contains
from drover_api.jobs import survey as survey_rules
from drover_api.resources.crud import Resource, Values
from drover_api.resources.executors.service import require_pool
from drover_api.resources.job_templates.schemas import (
    ASK_NAMES,
    EXAMPLE,
    JobTemplateBodySchema,
    JobTemplateQuery,
    JobTemplateSchema,
    ask_field,
)

SEVERAL_ALLOWED = "vault"  # of any other type of credential a job has one
_ASK_FIELDS = [(name, ask_field(name)) for name in ASK_NAMES]
_OWN_TABLE = frozenset({"credential_ids", "execution_environment", *map(ask_field, ASK_NAMES)})


class JobTemplates(Resource):
    model = JobTemplate
    kind = "job_template"
    out = JobTemplateSchema
    body = JobTemplateBodySchema
    query = JobTemplateQuery
    example = EXAMPLE
    references = {  # noqa: RUF012 - a constant of the class
        "inventory_id": ("inventory", USE),
        "project_id": ("project", USE),
        "execution_environment_id": ("execution_environment", USE),
    }

    def filters(self) -> Mapping[str, Callable[[Any], ColumnElement[bool]]]:
        return {"playbook": lambda part: contains(JobTemplate.playbook, part)}

    def normalized(self, body: Values) -> Values:
        """`execution_environment: {id}` is what a client reads; it may write it back."""
        nested = body.get("execution_environment", ...)
        if nested is ...:
            return body
        flat = {name: value for name, value in body.items() if name != "execution_environment"}
        given = nested.get("id") if isinstance(nested, dict) else nested
        if nested is not None and (isinstance(given, bool) or not isinstance(given, int)):
            raise InvalidError(FieldError("/execution_environment/id", "Not a valid integer."))
        if flat.setdefault("execution_environment_id", given) != given:
            raise InvalidError(FieldError("/execution_environment", "Contradicts execution_environment_id."))
        return flat

    def writable(self, db: Session, row: JobTemplate) -> Values:
        document = super().writable(db, row)
        document["credential_ids"] = _credentials_of(db, [row.id])[row.id]
        document.update({ask_field(name): name in row.ask for name in ASK_NAMES})
        return document

    def may_create(self, db: Session, principal: Principal, values: Values) -> None:
        project = reference(db, principal, "project", values["project_id"], "/project_id", USE)
        self.own(db, principal, project.organization_id)

    def check(self, db: Session, principal: Principal, values: Values, row: JobTemplate | None) -> None:
        if row is not None and row.project_id != values["project_id"]:
            self.may_create(db, principal, values)
        if values["inventory_id"] is None and not values[ask_field("inventory")]:
            raise InvalidError(FieldError("/inventory_id", "Needed unless ask_inventory_on_launch is on."))
        require_pool(db, values["executor_pool"])
        self._check_credentials(db, principal, values["credential_ids"], row)
        _check_survey(values["survey"])

    def _check_credentials(
        self, db: Session, principal: Principal, wanted: Sequence[int], row: JobTemplate | None
    ) -> None:
        held = _credentials_of(db, [row.id])[row.id] if row is not None else []
        for place, credential_id in enumerate(wanted):
            if credential_id not in held:
                reference(db, principal, "credential", credential_id, f"/credential_ids/{place}", USE)
        slots: set[tuple[str, str]] = set()
        for place, slot in enumerate(_slots(db, wanted)):
            if slot in slots:
                detail = f"More than one credential of type {' '.join(slot).strip()}."
                raise InvalidError(FieldError(f"/credential_ids/{place}", detail))
            slots.add(slot)

    def columns(self, db: Session, values: Values, row: JobTemplate | None) -> Values:
        del row
        project = select(Project.organization_id).where(Project.id == values["project_id"])
        return {name: value for name, value in values.items() if name not in _OWN_TABLE} | {
            "ask": [name for name in ASK_NAMES if values[ask_field(name)]],
            "organization_id": db.scalar(project),
        }

    def stored(
        self, db: Session, principal: Principal, row: JobTemplate, values: Values, *, created: bool
    ) -> None:
        del principal
        wanted = values["credential_ids"]
        if not created:
            if _credentials_of(db, [row.id])[row.id] == wanted:
                return
            db.execute(delete(JobTemplateCredential).where(JobTemplateCredential.job_template_id == row.id))
        rows = [
            {"job_template_id": row.id, "credential_id": credential_id, "position": place}
            for place, credential_id in enumerate(wanted)
        ]
        if rows:
            db.execute(insert(JobTemplateCredential).values(rows))

    def present(self, db: Session, rows: Sequence[JobTemplate]) -> Sequence[Values]:
        credentials = _credentials_of(db, [row.id for row in rows])
        wanted = {row.execution_environment_id for row in rows} - {None}
        images = dict(
            db.execute(
                select(ExecutionEnvironment.id, ExecutionEnvironment.image).where(
                    ExecutionEnvironment.id.in_(wanted)
                )
            ).all()
        )
        return [
            columns(row)
            | {field: name in row.ask for name, field in _ASK_FIELDS}
            | {
                "credential_ids": credentials[row.id],
                "execution_environment": None
                if row.execution_environment_id is None
                else {"id": row.execution_environment_id, "image": images[row.execution_environment_id]},
            }
            for row in rows
        ]


def _credentials_of(db: Session, template_ids: Sequence[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    query = (
        select(JobTemplateCredential.job_template_id, JobTemplateCredential.credential_id)
        .where(JobTemplateCredential.job_template_id.in_(template_ids))
        .order_by(JobTemplateCredential.position, JobTemplateCredential.credential_id)
    )
    for template_id, credential_id in db.execute(query):
        found[template_id].append(credential_id)
    return found


def _slots(db: Session, wanted: Sequence[int]) -> list[tuple[str, str]]:
    """What each credential occupies: its type, and for a vault its id too."""
    vault_id = Credential.inputs["vault_id"].astext
    rows = db.execute(
        select(Credential.id, CredentialType.namespace, vault_id)
        .join(CredentialType, CredentialType.id == Credential.credential_type_id)
        .where(Credential.id.in_(wanted))
    ).all()
    by_id = {row_id: (kind, (vault or "") if kind == SEVERAL_ALLOWED else "") for row_id, kind, vault in rows}
    return [by_id[credential_id] for credential_id in wanted]


def _check_survey(survey: Values | None) -> None:
    """A default must be an answer that its own question would take."""
    found = survey_rules.answers(survey, {})
    defaults = survey_rules.faults(survey, found, "/survey")
    given = {f"/survey/{name}" for name in found.values}
    if errors := [fault for fault in defaults if fault.pointer in given]:
        raise InvalidError(*errors)
