"""An entry of the record."""

from marshmallow import fields

from drover_api.http.fields import JsonObject, Schema, Timestamp
from drover_api.http.pages import PageQuery, QueryInteger


class ActivitySchema(Schema):
    id = fields.Integer()
    created_at = Timestamp()
    user_id = fields.Integer(allow_none=True)
    actor = fields.String()
    action = fields.String()
    resource_type = fields.String()
    resource_id = fields.Integer(allow_none=True)
    organization_id = fields.Integer(allow_none=True)
    changes = JsonObject(metadata={"description": "{field: [old, new]}, with secrets masked"})
    request_id = fields.String(allow_none=True)


class ActivityQuery(PageQuery):
    user_id = QueryInteger()
    action = fields.String()
    resource_type = fields.String()
    resource_id = QueryInteger()
    organization_id = QueryInteger()
    created_after = Timestamp()
    created_before = Timestamp()
