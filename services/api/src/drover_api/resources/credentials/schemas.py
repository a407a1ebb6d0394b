"""Bodies of credentials: secret inputs come back as `$encrypted$`, which in a change keeps them."""

from marshmallow import fields

from drover_api.http.fields import JsonObject, identifier
from drover_api.http.pages import NameQuery, QueryInteger
from drover_api.resources.common import NamedBody, StampedOut


class CredentialBodySchema(NamedBody):
    """Without an organization it belongs to its maker alone."""

    organization_id = identifier(allow_none=True, load_default=None)
    credential_type_id = identifier(required=True)
    inputs = JsonObject(load_default=dict)


class CredentialSchema(StampedOut):
    id = fields.Integer()
    name = fields.String()
    description = fields.String()
    organization_id = fields.Integer(allow_none=True)
    credential_type_id = fields.Integer()
    type = fields.String(metadata={"description": "The namespace of the credential type"})
    inputs = JsonObject()


class CredentialQuery(NameQuery):
    organization_id = QueryInteger()
    credential_type_id = QueryInteger()
    type = fields.String(metadata={"description": "The namespace of the credential type"})
