"""Bodies of tokens; the token itself is in the answer to its creation and nowhere else."""

from marshmallow import fields, validate

from drover_api.http.fields import Schema, Timestamp, text
from drover_api.http.pages import PageQuery

SCOPES = ("read", "write")


class TokenBodySchema(Schema):
    description = text(0, 1000, load_default="")
    scope = fields.String(validate=validate.OneOf(SCOPES), load_default="write")
    expires_at = Timestamp(
        allow_none=True,
        metadata={"description": "null: never. Without this field the token lasts 90 days"},
    )


class TokenSchema(Schema):
    id = fields.Integer()
    description = fields.String()
    scope = fields.String()
    created_at = Timestamp()
    expires_at = Timestamp(allow_none=True)
    last_used_at = Timestamp(allow_none=True)


class NewTokenSchema(TokenSchema):
    token = fields.String(metadata={"description": "Shown once"})


class TokenQuery(PageQuery):
    scope = fields.String(validate=validate.OneOf(SCOPES))
