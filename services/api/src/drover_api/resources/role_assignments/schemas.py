"""Bodies of role assignments."""

from typing import Any

from marshmallow import fields, validate

from drover_api.access.roles import GRANTABLE
from drover_api.http.fields import Schema, Timestamp, identifier
from drover_api.http.pages import PageQuery, QueryInteger

_ROLES = sorted({role for roles in GRANTABLE.values() for role in roles})


def _role(**kwargs: Any) -> fields.String:
    return fields.String(validate=validate.OneOf(_ROLES), **kwargs)


def _resource_type(**kwargs: Any) -> fields.String:
    return fields.String(validate=validate.OneOf(list(GRANTABLE)), **kwargs)


class RoleAssignmentBodySchema(Schema):
    """Exactly one of `user_id` and `team_id`."""

    role = _role(required=True)
    resource_type = _resource_type(required=True)
    resource_id = identifier(required=True)
    user_id = identifier(allow_none=True, load_default=None)
    team_id = identifier(allow_none=True, load_default=None)


class RoleAssignmentSchema(Schema):
    id = fields.Integer()
    role = fields.String()
    resource_type = fields.String()
    resource_id = fields.Integer()
    user_id = fields.Integer(allow_none=True)
    team_id = fields.Integer(allow_none=True)
    created_at = Timestamp()


class RoleAssignmentQuery(PageQuery):
    role = _role()
    resource_type = _resource_type()
    resource_id = QueryInteger()
    user_id = QueryInteger()
    team_id = QueryInteger()
