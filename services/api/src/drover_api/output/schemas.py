"""Events, host summaries and log chunks: specification 2.7 to 2.9."""

from drover_shared.domain.events import EventType
from marshmallow import fields, validate
from webargs.fields import DelimitedList

from drover_api.http.fields import JsonObject, Schema, Timestamp, identifier, text
from drover_api.http.pages import DEFAULT_LIMIT, MAX_LIMIT, QueryBoolean, QueryInteger
from drover_api.output.formats import FORMATS

OUTCOMES = ("ok", "changed", "failed", "unreachable", "skipped")


class EventSchema(Schema):
    """Specification 2.7."""

    id = identifier()
    job_id = identifier()
    job_run_id = fields.UUID()
    seq = fields.Integer()
    timestamp = Timestamp()
    event_type = fields.String(validate=validate.OneOf([str(kind) for kind in EventType]))
    host = fields.String(allow_none=True)
    task_name = fields.String(allow_none=True)
    play_name = fields.String(allow_none=True)
    stdout_snippet = fields.String(allow_none=True)
    data = JsonObject()


class HostSummarySchema(Schema):
    """Specification 2.8, and Ansible's own two further counts."""

    job_id = identifier()
    host = fields.String()
    ok = fields.Integer()
    changed = fields.Integer()
    failed = fields.Integer()
    skipped = fields.Integer()
    unreachable = fields.Integer()
    last_event_at = Timestamp(allow_none=True)
    rescued = fields.Integer()
    ignored = fields.Integer()


class LogChunkSchema(Schema):
    """Specification 2.9."""

    job_run_id = fields.UUID()
    seq = fields.Integer()
    storage_key = fields.String()
    byte_length = fields.Integer()
    created_at = Timestamp()


class SeqQuery(Schema):
    """Pages of what is numbered: by offset, or by the last seq that was read (which stays cheap)."""

    limit = QueryInteger(1, MAX_LIMIT, load_default=DEFAULT_LIMIT)
    offset = QueryInteger(0, load_default=0)
    after_seq = QueryInteger(-1, metadata={"description": "Only what comes after this seq"})


class EventQuery(SeqQuery):
    event_type = DelimitedList(
        fields.String(validate=validate.OneOf([str(kind) for kind in EventType])),
        metadata={"description": "One type, or several separated by commas"},
    )
    host = text(1, 1024)
    task_name = text(1, 4096)
    changed = QueryBoolean()
    failed = QueryBoolean()
    parent_seq = QueryInteger(
        1, metadata={"description": "Only the tasks of the play, or the results of the task, with this seq"}
    )


class JobEventQuery(EventQuery):
    job_run_id = fields.UUID(metadata={"description": "Another attempt than the job's current one"})


class HostSummaryQuery(Schema):
    limit = QueryInteger(1, MAX_LIMIT, load_default=DEFAULT_LIMIT)
    offset = QueryInteger(0, load_default=0)
    order_by = fields.String(load_default=None)
    outcome = fields.String(
        validate=validate.OneOf(OUTCOMES), metadata={"description": "Hosts with at least one such result"}
    )
    host = text(1, 1024)
    job_run_id = fields.UUID(metadata={"description": "Another attempt than the job's current one"})


class LogQuery(Schema):
    format = fields.String(load_default="ansi", validate=validate.OneOf(FORMATS))
    download = fields.Boolean(load_default=False, metadata={"description": "Answer as an attachment"})
    start_line = QueryInteger(0, metadata={"description": "The first line wanted, counted from 0"})
    end_line = QueryInteger(0, metadata={"description": "The line after the last one wanted"})
    presigned = fields.Boolean(
        load_default=False,
        metadata={"description": "Redirect to the object store for a finished log, where it can be reached"},
    )
    follow = fields.Boolean(load_default=False, metadata={"description": "Stay until the log is complete"})
