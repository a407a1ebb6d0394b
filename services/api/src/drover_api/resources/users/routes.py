"""/users and /me"""

from flask import Response

from drover_api.access.principal import current_principal
from drover_api.http.blueprint import PublicBlueprint
from drover_api.http.etags import detail
from drover_api.http.fields import instance
from drover_api.http.unit import session
from drover_api.resources.routes import add_crud
from drover_api.resources.users.schemas import UserSchema
from drover_api.resources.users.service import Users

blp = PublicBlueprint("users", "Who may log in")
users = Users()
add_crud(blp, users, "user", "users", "/users")


@blp.get("/me")
@blp.response(200, UserSchema)
def get_me() -> Response:
    """Read the user of this token"""
    principal = current_principal()
    return detail(instance(UserSchema), users.get(session(), principal, principal.user_id))
