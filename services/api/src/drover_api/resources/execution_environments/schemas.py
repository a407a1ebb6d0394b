"""Specification 2.4 and section 6."""

from marshmallow import fields, validate

from drover_api.http.fields import Schema, StrictBoolean, Timestamp, identifier
from drover_api.http.pages import NameQuery, QueryBoolean, QueryInteger
from drover_api.resources.common import NamedBody

PULL = ("always", "missing", "never")
_IMAGE = validate.Regexp(r"[^\s\-][^\s]*\Z", error="Must be an image reference.")
EXAMPLE = {
    "id": 5,
    "name": "Default EE",
    "description": "Default execution environment",
    "organization_id": 1,
    "image": "quay.io/ansible/awx-ee:latest",
    "credential_id": 10,
    "pull": "missing",
    "managed": True,
    "created_at": "2025-12-01T10:00:00Z",
    "modified_at": "2025-12-08T11:22:00Z",
}


class ExecutionEnvironmentBodySchema(NamedBody):
    """Without an organization it is everybody's; that, and `managed`, is for superusers to decide."""

    organization_id = identifier(allow_none=True, load_default=None)
    image = fields.String(required=True, validate=[validate.Length(1, 1000), _IMAGE])
    credential_id = identifier(allow_none=True, load_default=None)
    pull = fields.String(validate=validate.OneOf(PULL), load_default="missing")
    managed = StrictBoolean(load_default=False)


class ExecutionEnvironmentSchema(Schema):
    id = fields.Integer()
    name = fields.String()
    description = fields.String()
    organization_id = fields.Integer(allow_none=True)
    image = fields.String()
    credential_id = fields.Integer(allow_none=True)
    pull = fields.String(validate=validate.OneOf(PULL))
    managed = fields.Boolean()
    created_at = Timestamp()
    modified_at = Timestamp()


class ExecutionEnvironmentQuery(NameQuery):
    organization_id = QueryInteger()
    managed = QueryBoolean()
