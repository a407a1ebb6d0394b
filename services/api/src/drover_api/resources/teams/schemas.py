"""Bodies of teams."""

from marshmallow import fields

from drover_api.http.pages import NameQuery, QueryInteger
from drover_api.resources.common import OwnedBody, StampedOut


class TeamBodySchema(OwnedBody):
    """What a client sends."""


class TeamSchema(StampedOut):
    id = fields.Integer()
    name = fields.String()
    description = fields.String()
    organization_id = fields.Integer()


class TeamQuery(NameQuery):
    organization_id = QueryInteger()
