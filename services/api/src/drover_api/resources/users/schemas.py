"""Specification 2.1, with whether the user may log in and when it was made."""

from marshmallow import fields, validate

from drover_api.http.fields import Schema, StrictBoolean, text
from drover_api.http.pages import PageQuery
from drover_api.resources.common import StampedOut

_USERNAME = validate.Regexp(r"[^\s:]+\Z", error="Must not contain blanks or colons.")  # Basic splits at ':'


class UserBodySchema(Schema):
    """`password` is written only; a user without one cannot log in."""

    username = fields.String(required=True, validate=[validate.Length(1, 150), _USERNAME])
    email = text(0, 254, load_default="")
    first_name = text(0, 150, load_default="")
    last_name = text(0, 150, load_default="")
    is_superuser = StrictBoolean(load_default=False)
    is_system_auditor = StrictBoolean(load_default=False)
    is_active = StrictBoolean(load_default=True)
    password = text(8, 1024, load_only=True)


EXAMPLE = {
    "id": 1,
    "username": "admin",
    "email": "admin@example.com",
    "first_name": "Admin",
    "last_name": "User",
    "is_superuser": True,
    "is_system_auditor": False,
}


class UserSchema(StampedOut):
    id = fields.Integer()
    username = fields.String()
    email = fields.String()
    first_name = fields.String()
    last_name = fields.String()
    is_superuser = fields.Boolean()
    is_system_auditor = fields.Boolean()
    is_active = fields.Boolean()


class UserQuery(PageQuery):
    username = fields.String(metadata={"description": "Case-insensitive part of the user name"})
    name = fields.String(metadata={"description": "The same as username"})
    email = fields.String(metadata={"description": "Case-insensitive part of the address"})
