"""Executors as users see them, and pools."""

from marshmallow import fields, validate

from drover_api.http.fields import Schema, StrictBoolean, Timestamp
from drover_api.http.pages import NameQuery, QueryBoolean
from drover_api.resources.common import StampedOut, description


class ExecutorBodySchema(Schema):
    """A draining executor finishes what it runs and takes nothing new."""

    draining = StrictBoolean(load_default=False)


class ExecutorSchema(Schema):
    id = fields.Integer()
    name = fields.String()
    pools = fields.List(fields.String())
    slots = fields.Integer()
    version = fields.String()
    isolation = fields.String()
    draining = fields.Boolean()
    created_at = Timestamp()
    last_seen_at = Timestamp()
    current_runs = fields.List(fields.UUID())


class ExecutorQuery(NameQuery):
    draining = QueryBoolean()
    pool = fields.String()


class ExecutorPoolBodySchema(Schema):
    name = fields.String(
        required=True,
        validate=validate.Regexp(
            r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\Z", error="Must be letters, digits, - and _ only."
        ),
    )
    description = description()
    draining = StrictBoolean(
        load_default=False, metadata={"description": "While true, none of its jobs are begun"}
    )


class ExecutorPoolSchema(StampedOut):
    id = fields.Integer()
    name = fields.String()
    description = fields.String()
    draining = fields.Boolean()
