"""/teams and their members"""

from typing import Any

from drover_api.access.principal import current_principal
from drover_api.http.blueprint import PublicBlueprint
from drover_api.http.pages import PageQuery, page_schema
from drover_api.http.unit import session
from drover_api.resources.routes import add_crud
from drover_api.resources.teams import service
from drover_api.resources.users.schemas import UserSchema

blp = PublicBlueprint("teams", "Users that roles are granted to together")
add_crud(blp, service.Teams(), "team", "teams", "/teams")


@blp.get("/teams/<id:team_id>/members")
@blp.arguments(PageQuery, location="query")
@blp.response(200, page_schema(UserSchema))
def list_team_members(args: dict[str, Any], team_id: int) -> dict[str, Any]:
    """List the members of a team"""
    return service.members(session(), current_principal(), team_id, args)


@blp.put("/teams/<id:team_id>/members/<id:user_id>")
@blp.response(204)
def add_team_member(team_id: int, user_id: int) -> None:
    """Add a user to a team"""
    service.add_member(session(), current_principal(), team_id, user_id)


@blp.delete("/teams/<id:team_id>/members/<id:user_id>")
@blp.response(204)
def remove_team_member(team_id: int, user_id: int) -> None:
    """Remove a user from a team"""
    service.remove_member(session(), current_principal(), team_id, user_id)
