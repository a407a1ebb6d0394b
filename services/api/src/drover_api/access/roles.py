"""Roles as data: which role on what contains which permission."""

from collections.abc import Mapping
from typing import Any

from drover_shared.db.models import (
    Credential,
    ExecutionEnvironment,
    Inventory,
    JobTemplate,
    Organization,
    Project,
    Team,
)

READ, USE, EXECUTE, UPDATE, ADMIN = "read", "use", "execute", "update", "admin"

# The roles that may be granted on each type of resource; `resource_type` of a role assignment is the key.
GRANTABLE: Mapping[str, tuple[str, ...]] = {
    "organization": (ADMIN, "auditor", "member"),
    "team": (ADMIN, READ),
    "inventory": (ADMIN, USE, UPDATE, READ),
    "project": (ADMIN, USE, UPDATE, READ),
    "credential": (ADMIN, USE, READ),
    "execution_environment": (ADMIN, USE, READ),
    "job_template": (ADMIN, EXECUTE, READ),
}

MODELS: Mapping[str, Any] = {
    "organization": Organization,
    "team": Team,
    "inventory": Inventory,
    "project": Project,
    "credential": Credential,
    "execution_environment": ExecutionEnvironment,
    "job_template": JobTemplate,
}
TYPES = {model: name for name, model in MODELS.items()}

# A permission is held by whoever has one of these roles on the object itself …
OBJECT_ROLES: Mapping[str, frozenset[str]] = {
    READ: frozenset({ADMIN, USE, EXECUTE, UPDATE, READ}),
    USE: frozenset({ADMIN, USE}),
    EXECUTE: frozenset({ADMIN, EXECUTE}),
    UPDATE: frozenset({ADMIN, UPDATE}),
    ADMIN: frozenset({ADMIN}),
}
# … or one of these on its organization.
_OWNERS = {READ: frozenset({ADMIN, "auditor"})}
_SHARED = {READ: frozenset({ADMIN, "auditor", "member"}), USE: frozenset({ADMIN, "auditor", "member"})}
_OWNER = frozenset({ADMIN})


def organization_roles(resource_type: str, permission: str) -> frozenset[str]:
    """The organization roles that hold `permission` on resources of this type in it.

    Members see the organization and its teams, and may use its execution environments.
    """
    if resource_type == "execution_environment":
        return _SHARED.get(permission, _OWNER)
    if resource_type in ("organization", "team"):
        return _SHARED[READ] if permission == READ else _OWNER
    return _OWNERS.get(permission, _OWNER)
