"""Execution environments, as section 6 of the specification says."""

from drover_shared.db.models import (
    Credential,
    CredentialType,
    ExecutionEnvironment,
    JobTemplate,
    Organization,
    Project,
)
from drover_shared.domain.errors import ConflictError, FieldError, ForbiddenError, InvalidError
from sqlalchemy import select
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.roles import USE
from drover_api.resources.crud import Resource, Values
from drover_api.resources.execution_environments.schemas import (
    EXAMPLE,
    ExecutionEnvironmentBodySchema,
    ExecutionEnvironmentQuery,
    ExecutionEnvironmentSchema,
)


class ExecutionEnvironments(Resource):
    """A managed one is not deleted: first it must be made unmanaged."""

    model = ExecutionEnvironment
    kind = "execution_environment"
    out = ExecutionEnvironmentSchema
    body = ExecutionEnvironmentBodySchema
    query = ExecutionEnvironmentQuery
    example = EXAMPLE
    order_fields = ("id", "name", "image", "created_at", "modified_at")
    used_by = (
        (JobTemplate, "execution_environment_id"),
        (Project, "execution_environment_id"),
        (Organization, "execution_environment_id"),
    )
    references = {"credential_id": ("credential", USE)}  # noqa: RUF012 - a constant of the class

    def check(
        self, db: Session, principal: Principal, values: Values, row: ExecutionEnvironment | None
    ) -> None:
        was_managed = row is not None and row.managed
        if values["managed"] != was_managed and not principal.is_superuser:
            raise ForbiddenError("only a superuser may change managed")
        if values["credential_id"] is None:
            return
        kind = db.scalar(
            select(CredentialType.namespace)
            .join(Credential, Credential.credential_type_id == CredentialType.id)
            .where(Credential.id == values["credential_id"])
        )
        if kind != "registry":
            raise InvalidError(FieldError("/credential_id", "Must be a credential of type registry."))

    def before_delete(self, db: Session, principal: Principal, row: ExecutionEnvironment) -> None:
        del db, principal
        if row.managed:
            raise ConflictError(f"execution environment {row.id} is managed and cannot be deleted")
