"""Access by query: a permission is a SELECT's condition, never a loop over rows."""

from typing import Any, cast

from drover_shared.db.models import (
    CredentialType,
    ExecutionEnvironment,
    Executor,
    ExecutorPool,
    Group,
    Host,
    Inventory,
    Job,
    Organization,
    RoleAssignment,
    Team,
    TeamMember,
    User,
)
from drover_shared.domain.states import JobKind
from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, false, or_, select, true

from drover_api.access import roles
from drover_api.access.principal import EveryPrincipal, Principal

Asker = Principal | EveryPrincipal
_OF_SYNC = {roles.EXECUTE: roles.UPDATE}  # who may sync a project may cancel its syncs
_EVERYBODY_READS = (CredentialType, Executor, ExecutorPool)


def my_teams(principal: Asker) -> Select[int]:
    return select(TeamMember.team_id).where(TeamMember.user_id == principal.user_id)


def granted(principal: Asker, resource_type: str, role_names: frozenset[str]) -> CompoundSelect[int]:
    """The ids of resources of this type on which the principal, or one of its teams, has such a role."""
    held = select(RoleAssignment.resource_id).where(
        RoleAssignment.resource_type == resource_type,
        RoleAssignment.role.in_(sorted(role_names)),
    )
    return held_by(principal, held)


def held_by(principal: Asker, assignments: Any) -> CompoundSelect[Any]:
    """Of a SELECT of role assignments, those of the principal and of its teams.

    Two queries in one, each with an index of its own: with an OR, all roles of everybody are read.
    """
    own = assignments.where(RoleAssignment.user_id == principal.user_id)
    of_teams = assignments.where(RoleAssignment.team_id.in_(my_teams(principal)))
    held: CompoundSelect[Any] = own.union_all(of_teams)
    return held


def visible(model: Any, principal: Asker) -> ColumnElement[bool]:
    """The condition on `model` for what the principal may read."""
    return allowed(model, principal, roles.READ)


def allowed(model: Any, principal: Asker, permission: str) -> ColumnElement[bool]:
    """The condition on `model` for the rows on which the principal holds `permission`."""
    if principal.is_superuser or (principal.is_system_auditor and permission == roles.READ):
        return true()
    if model in (Host, Group):
        within = select(Inventory.id).where(_granted_on(Inventory, principal, permission))
        return cast("ColumnElement[bool]", model.inventory_id.in_(within))
    if model is Job:
        return _jobs(principal, permission)
    if model is User:
        return _users(principal, permission)
    if model in _EVERYBODY_READS:
        return true() if permission == roles.READ else false()
    return _granted_on(model, principal, permission)


def _granted_on(model: Any, principal: Asker, permission: str) -> ColumnElement[bool]:
    resource_type = roles.TYPES[model]
    in_organization = granted(principal, "organization", roles.organization_roles(resource_type, permission))
    if model is Organization:
        own_teams = select(Team.organization_id).where(Team.id.in_(my_teams(principal)))
        through_team = Organization.id.in_(own_teams) if permission == roles.READ else false()
        return or_(Organization.id.in_(in_organization), through_team)
    conditions: list[ColumnElement[bool]] = [
        model.id.in_(granted(principal, resource_type, roles.OBJECT_ROLES[permission])),
        model.organization_id.in_(in_organization),
    ]
    if model is Team and permission == roles.READ:
        conditions.append(Team.id.in_(my_teams(principal)))
    if model is ExecutionEnvironment and permission in (roles.READ, roles.USE):
        conditions.append(ExecutionEnvironment.organization_id.is_(None))
    return or_(*conditions)


def _jobs(principal: Asker, permission: str) -> ColumnElement[bool]:
    """Jobs are seen with their template or organization, or by who launched them.

    `execute` (cancel, relaunch) is held by whoever may execute the template; deleting needs `admin`.
    """
    template_role = granted(principal, "job_template", roles.OBJECT_ROLES[permission])
    in_organization = granted(principal, "organization", roles.organization_roles("job", permission))
    project_role = granted(principal, "project", roles.OBJECT_ROLES[_OF_SYNC.get(permission, permission)])
    through: list[ColumnElement[bool]] = [
        Job.job_template_id.in_(template_role),
        and_(Job.kind == JobKind.PROJECT_SYNC, Job.project_id.in_(project_role)),
        Job.organization_id.in_(in_organization),
    ]
    if permission in (roles.READ, roles.EXECUTE):
        through.append(Job.launched_by_id == principal.user_id)
    return or_(*through)


def _users(principal: Asker, permission: str) -> ColumnElement[bool]:
    """Everybody sees and changes themselves; who shares an organization or a team sees each other."""
    myself = User.id == principal.user_id
    if permission != roles.READ:
        return myself
    any_role = roles.organization_roles("organization", roles.READ)
    my_organizations = granted(principal, "organization", any_role)
    colleagues = select(RoleAssignment.user_id).where(
        RoleAssignment.resource_type == "organization",
        RoleAssignment.resource_id.in_(my_organizations),
        RoleAssignment.user_id.is_not(None),
    )
    teams_seen = select(Team.id).where(_granted_on(Team, principal, roles.READ))
    team_mates = select(TeamMember.user_id).where(TeamMember.team_id.in_(teams_seen))
    return or_(myself, User.id.in_(colleagues), User.id.in_(team_mates))
