"""Who is granted what: admins of a resource grant roles on it, and see who has them."""

from typing import Any

from drover_shared.db.models import RoleAssignment, Team, User
from drover_shared.domain.errors import FieldError, ForbiddenError, InvalidError, NotFoundError
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from drover_api.access.allowed import allowed, my_teams, visible
from drover_api.access.principal import Principal
from drover_api.access.require import reference, require
from drover_api.access.roles import ADMIN, GRANTABLE, MODELS
from drover_api.activity import record
from drover_api.http.pages import PAGE_FIELDS, paginate

_ORDERS = {
    "id": RoleAssignment.id,
    "created_at": RoleAssignment.created_at,
    "resource_type": RoleAssignment.resource_type,
    "role": RoleAssignment.role,
}


def seen(principal: Principal) -> ColumnElement[bool]:
    """One's own roles, those of one's teams, and all on what one is admin of."""
    if principal.is_superuser or principal.is_system_auditor:
        return RoleAssignment.id.is_not(None)
    administered = [
        and_(
            RoleAssignment.resource_type == kind,
            RoleAssignment.resource_id.in_(select(model.id).where(allowed(model, principal, ADMIN))),
        )
        for kind, model in MODELS.items()
    ]
    own = RoleAssignment.user_id == principal.user_id
    return or_(own, RoleAssignment.team_id.in_(my_teams(principal)), *administered)


def list_assignments(db: Session, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    chosen = [
        getattr(RoleAssignment, name) == value for name, value in args.items() if name not in PAGE_FIELDS
    ]
    return paginate(db, select(RoleAssignment).where(seen(principal), *chosen), args, _ORDERS)


def get_assignment(db: Session, principal: Principal, assignment_id: int) -> RoleAssignment:
    row = db.scalar(select(RoleAssignment).where(RoleAssignment.id == assignment_id, seen(principal)))
    if row is None:
        raise NotFoundError(f"role assignment {assignment_id} does not exist or is not visible")
    return row


def grant(db: Session, principal: Principal, values: dict[str, Any]) -> RoleAssignment:
    """Grant a role. Raises InvalidError for a role that its type of resource does not have."""
    kind, role = values["resource_type"], values["role"]
    if role not in GRANTABLE[kind]:
        detail = f"A {kind} has the roles {', '.join(GRANTABLE[kind])}."
        raise InvalidError(FieldError("/role", detail))
    if (values["user_id"] is None) == (values["team_id"] is None):
        raise InvalidError(FieldError("", "Exactly one of user_id and team_id is needed."))
    resource = reference(db, principal, kind, values["resource_id"], "/resource_id", ADMIN)
    _check_grantee(db, principal, values)
    row = RoleAssignment(**values)
    db.add(row)
    db.flush()
    db.refresh(row)
    _record(db, principal, "grant", row, resource)
    return row


def _check_grantee(db: Session, principal: Principal, values: dict[str, Any]) -> None:
    for name, model in (("user_id", User), ("team_id", Team)):
        wanted = values[name]
        found = wanted is None or db.scalar(
            select(model.id).where(model.id == wanted, visible(model, principal))
        )
        if not found:
            detail = f"{name.removesuffix('_id')} {wanted} does not exist or is not visible"
            raise InvalidError(FieldError(f"/{name}", detail))


def revoke(db: Session, principal: Principal, assignment_id: int) -> None:
    """Take a role back: admins of the resource, or who holds it directly."""
    row = get_assignment(db, principal, assignment_id)
    resource = None
    if row.user_id != principal.user_id:
        try:
            resource = require(db, principal, ADMIN, row.resource_type, row.resource_id)
        except NotFoundError:
            raise ForbiddenError("only an admin of the resource may revoke this role") from None
    db.delete(row)
    _record(db, principal, "revoke", row, resource)


def _record(db: Session, principal: Principal, action: str, row: RoleAssignment, resource: Any) -> None:
    organization_id = row.resource_id if row.resource_type == "organization" else None
    organization_id = organization_id or getattr(resource, "organization_id", None)
    held = {"role": row.role, "user_id": row.user_id, "team_id": row.team_id}
    changes = {name: [None, value] if action == "grant" else [value, None] for name, value in held.items()}
    record(
        db,
        principal,
        action,
        row.resource_type,
        row.resource_id,
        organization_id=organization_id,
        changes=changes,
    )
