"""Bodies of sessions."""

from marshmallow import fields

from drover_api.http.fields import Schema, Timestamp, text
from drover_api.resources.users.schemas import UserSchema


class LoginSchema(Schema):
    username = text(1, 150, required=True)
    password = text(1, 1024, required=True, load_only=True)


class SessionSchema(Schema):
    """`csrf_token` goes with every request that changes something."""

    user = fields.Nested(UserSchema)
    csrf_token = fields.String()
    expires_at = Timestamp()
