"""Teams: admins of the organization make them, admins of the team choose its members."""

from typing import Any

from drover_shared.db.models import Team, TeamMember, User
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import find, require
from drover_api.access.roles import ADMIN, READ
from drover_api.activity import record
from drover_api.http.pages import paginate
from drover_api.resources.crud import Resource
from drover_api.resources.teams.schemas import TeamBodySchema, TeamQuery, TeamSchema


class Teams(Resource):
    model = Team
    kind = "team"
    out = TeamSchema
    body = TeamBodySchema
    query = TeamQuery


def members(db: Session, principal: Principal, team_id: int, args: dict[str, Any]) -> dict[str, Any]:
    """A page of the team's users: who sees the team sees who is in it."""
    require(db, principal, READ, "team", team_id)
    query = select(User).join(TeamMember, TeamMember.user_id == User.id).where(TeamMember.team_id == team_id)
    return paginate(db, query, args, {"id": User.id, "username": User.username})


def add_member(db: Session, principal: Principal, team_id: int, user_id: int) -> None:
    """Idempotent. The user must be visible to `principal`."""
    team = require(db, principal, ADMIN, "team", team_id)
    find(db, User, principal, READ, user_id)
    added = db.execute(
        insert(TeamMember)
        .values(team_id=team_id, user_id=user_id)
        .on_conflict_do_nothing()
        .returning(TeamMember.user_id)
    ).first()
    if added:
        _record(db, principal, team, [None, user_id])


def remove_member(db: Session, principal: Principal, team_id: int, user_id: int) -> None:
    """Idempotent."""
    team = require(db, principal, ADMIN, "team", team_id)
    removed = db.execute(
        delete(TeamMember)
        .where(TeamMember.team_id == team_id, TeamMember.user_id == user_id)
        .returning(TeamMember.user_id)
    ).first()
    if removed:
        _record(db, principal, team, [user_id, None])


def _record(db: Session, principal: Principal, team: Team, change: list[int | None]) -> None:
    organization_id = team.organization_id
    changes = {"member": change}
    record(db, principal, "update", "team", team.id, organization_id=organization_id, changes=changes)
