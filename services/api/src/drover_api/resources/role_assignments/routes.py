"""/role-assignments: granted and revoked, never changed."""

from typing import Any

from flask import Response

from drover_api.access.principal import current_principal
from drover_api.http.blueprint import PREFIX, PublicBlueprint
from drover_api.http.etags import check_if_match, detail
from drover_api.http.fields import instance
from drover_api.http.pages import page_schema
from drover_api.http.unit import session
from drover_api.resources.role_assignments import service
from drover_api.resources.role_assignments.schemas import (
    RoleAssignmentBodySchema,
    RoleAssignmentQuery,
    RoleAssignmentSchema,
)

blp = PublicBlueprint("role-assignments", "Roles on resources, for users and teams")


@blp.get("/role-assignments")
@blp.arguments(RoleAssignmentQuery, location="query")
@blp.response(200, page_schema(RoleAssignmentSchema))
def list_role_assignments(args: dict[str, Any]) -> dict[str, Any]:
    """List role assignments"""
    return service.list_assignments(session(), current_principal(), args)


@blp.post("/role-assignments")
@blp.arguments(RoleAssignmentBodySchema)
@blp.response(201, RoleAssignmentSchema)
def create_role_assignment(body: dict[str, Any]) -> Response:
    """Grant a role"""
    made = service.grant(session(), current_principal(), body)
    location = {"Location": f"{PREFIX}/role-assignments/{made.id}"}
    return detail(instance(RoleAssignmentSchema), made, 201, location)


@blp.get("/role-assignments/<id:assignment_id>")
@blp.response(200, RoleAssignmentSchema)
def get_role_assignment(assignment_id: int) -> Response:
    """Read a role assignment"""
    found = service.get_assignment(session(), current_principal(), assignment_id)
    return detail(instance(RoleAssignmentSchema), found)


@blp.delete("/role-assignments/<id:assignment_id>")
@blp.response(204)
def delete_role_assignment(assignment_id: int) -> None:
    """Revoke a role"""
    found = service.get_assignment(session(), current_principal(), assignment_id)
    check_if_match(RoleAssignmentSchema().dump(found))
    service.revoke(session(), current_principal(), assignment_id)
