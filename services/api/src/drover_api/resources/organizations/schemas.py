"""Bodies of organizations."""

from marshmallow import fields

from drover_api.http.fields import identifier
from drover_api.resources.common import NamedBody, StampedOut


class OrganizationBodySchema(NamedBody):
    """`execution_environment_id`: for templates that name none, and whose project names none."""

    execution_environment_id = identifier(allow_none=True, load_default=None)


class OrganizationSchema(StampedOut):
    id = fields.Integer()
    name = fields.String()
    description = fields.String()
    execution_environment_id = fields.Integer(allow_none=True)
