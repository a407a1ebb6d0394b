"""/tokens: made with name and password, used as bearer tokens."""

from typing import Any

from flask import Response, request

from drover_api.access.authenticate import authenticate_basic
from drover_api.access.principal import current_principal
from drover_api.deps import deps
from drover_api.http.arguments import load
from drover_api.http.blueprint import PREFIX, ApiBlueprint, PublicBlueprint
from drover_api.http.body import json_body
from drover_api.http.etags import check_if_match, detail
from drover_api.http.fields import instance
from drover_api.http.pages import page_schema
from drover_api.http.unit import session
from drover_api.resources.routes import json_request
from drover_api.resources.tokens import service
from drover_api.resources.tokens.schemas import NewTokenSchema, TokenBodySchema, TokenQuery, TokenSchema

login = ApiBlueprint("login", __name__, url_prefix=PREFIX, description="From a password to a token")
blp = PublicBlueprint("tokens", "The caller's own tokens")
BLUEPRINTS = (login, blp)


@login.post("/tokens")
@login.doc(security=[{"password": []}], requestBody=json_request(TokenBodySchema) | {"required": False})
@login.response(201, NewTokenSchema)
def create_token() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Create a token (HTTP Basic)"""
    principal = authenticate_basic(session())
    body = json_body() if request.get_data(cache=True) else {}
    made = service.create_token(
        session(), principal, load(instance(TokenBodySchema), body), deps().clock.now()
    )
    return made, 201, {"Location": f"{PREFIX}/tokens/{made['id']}"}


@blp.get("/tokens")
@blp.arguments(TokenQuery, location="query")
@blp.response(200, page_schema(TokenSchema))
def list_tokens(args: dict[str, Any]) -> dict[str, Any]:
    """List one's own tokens"""
    return service.list_tokens(session(), current_principal(), args)


@blp.get("/tokens/<id:token_id>")
@blp.response(200, TokenSchema)
def get_token(token_id: int) -> Response:
    """Read one of one's own tokens"""
    return detail(instance(TokenSchema), service.own_token(session(), current_principal(), token_id))


@blp.delete("/tokens/<id:token_id>")
@blp.response(204)
def delete_token(token_id: int) -> None:
    """Revoke a token"""
    check_if_match(TokenSchema().dump(service.own_token(session(), current_principal(), token_id)))
    service.revoke_token(session(), current_principal(), token_id)
