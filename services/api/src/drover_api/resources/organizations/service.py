"""Organizations: superusers make them, their admins change them."""

from drover_shared.db.models import (
    Credential,
    ExecutionEnvironment,
    Inventory,
    JobTemplate,
    Organization,
    Project,
)

from drover_api.access.roles import USE
from drover_api.resources.crud import Resource
from drover_api.resources.organizations.schemas import OrganizationBodySchema, OrganizationSchema


class Organizations(Resource):
    """Teams go with their organization; whatever else it owns must be deleted first."""

    model = Organization
    kind = "organization"
    out = OrganizationSchema
    body = OrganizationBodySchema
    references = {  # noqa: RUF012 - a constant of the class
        "execution_environment_id": ("execution_environment", USE)
    }
    used_by = tuple(
        (model, "organization_id")
        for model in (JobTemplate, Project, Inventory, Credential, ExecutionEnvironment)
    )
