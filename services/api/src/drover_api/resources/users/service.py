"""Users: superusers make and delete them; everybody may change their own names, address and password."""

from collections.abc import Callable, Mapping
from typing import Any

from drover_shared.db.models import User
from drover_shared.domain.errors import ConflictError, ForbiddenError
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from drover_api.access.passwords import hash_password
from drover_api.access.principal import Principal
from drover_api.access.require import require_superuser
from drover_api.access.sessions import end_all
from drover_api.http.pages import contains
from drover_api.resources.crud import Resource, Values
from drover_api.resources.users.schemas import EXAMPLE, UserBodySchema, UserQuery, UserSchema

OWN_FIELDS = frozenset({"email", "first_name", "last_name", "password"})


class Users(Resource):
    model = User
    kind = "user"
    out = UserSchema
    body = UserBodySchema
    query = UserQuery
    example = EXAMPLE
    order_fields = ("id", "username", "email", "created_at", "modified_at")

    def filters(self) -> Mapping[str, Callable[[Any], ColumnElement[bool]]]:
        return {
            "username": lambda part: contains(User.username, part),
            "name": lambda part: contains(User.username, part),
            "email": lambda part: contains(User.email, part),
        }

    def may_create(self, db: Session, principal: Principal, values: Values) -> None:
        del db, values
        require_superuser(principal)

    def check(self, db: Session, principal: Principal, values: Values, row: User | None) -> None:
        if row is None or principal.is_superuser:
            if row is not None and row.is_superuser and not (values["is_superuser"] and values["is_active"]):
                self._keep_a_superuser(db, row)
            return
        for name, value in values.items():
            if name not in OWN_FIELDS and getattr(row, name) != value:
                raise ForbiddenError(f"only a superuser may change {name}")

    def columns(self, db: Session, values: Values, row: User | None) -> Values:
        del db, row
        stored = {name: value for name, value in values.items() if name != "password"}
        if "password" in values:
            stored["password_hash"] = hash_password(values["password"])
        return stored

    def stored(self, db: Session, principal: Principal, row: User, values: Values, *, created: bool) -> None:
        del principal, created
        if "password" in values:
            end_all(db, row.id)

    def before_delete(self, db: Session, principal: Principal, row: User) -> None:
        require_superuser(principal)
        if row.is_superuser:
            self._keep_a_superuser(db, row)

    def _keep_a_superuser(self, db: Session, row: User) -> None:
        """The locks let two superusers who remove each other at the same time see it."""
        others = select(User.id).where(User.is_superuser, User.is_active, User.id != row.id)
        if db.scalars(others.with_for_update()).first() is None:
            raise ConflictError(f"user {row.id} is the last superuser")
