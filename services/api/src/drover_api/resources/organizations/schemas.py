"""Bodies of organizations."""

from marshmallow import fields

from drover_api.resources.common import NamedBody, StampedOut


class OrganizationBodySchema(NamedBody):
    """What a client sends."""


class OrganizationSchema(StampedOut):
    id = fields.Integer()
    name = fields.String()
    description = fields.String()
