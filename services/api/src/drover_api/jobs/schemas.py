"""Bodies and queries of jobs and runs: specification 2.5, 2.6, 3.1 and what `completion.md` adds."""

from typing import Any

import marshmallow as ma
from drover_shared.domain.retries import RetryHosts, RetryOn
from drover_shared.domain.states import JobKind, JobStatus, RunState
from marshmallow import fields, validate
from webargs.fields import DelimitedList

from drover_api.http.fields import (
    MAX_BIGINT,
    MAX_INT,
    JsonObject,
    Schema,
    StrictBoolean,
    Timestamp,
    identifier,
    integer,
    text,
)
from drover_api.http.pages import NameQuery, QueryBoolean, QueryInteger

MAX_BULK = 1000
MAX_TAGS = 200
MAX_TAG_CHARS = 200
MAX_CREDENTIALS = 100
MAX_SECRET_CHARS = 65_536
JOB_TYPES = ("run", "check")
HOSTS = tuple(str(hosts) for hosts in RetryHosts)


class DeprecatedEnvironment(fields.Field[Any]):
    """null, an id, or {"id": …}: loads to the id or None."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> int:
        wanted = value.get("id") if isinstance(value, dict) and set(value) == {"id"} else value
        if isinstance(wanted, bool) or not isinstance(wanted, int) or not 1 <= wanted <= MAX_BIGINT:
            raise ma.ValidationError('Must be null, an id or {"id": …}.')
        return wanted


def _tags() -> "fields.List[Any]":
    tag = validate.Regexp(r"[^\s,][^,]*\Z", error="Must not be empty or contain commas.")
    one = fields.String(validate=[validate.Length(1, MAX_TAG_CHARS), tag])
    return fields.List(one, validate=validate.Length(max=MAX_TAGS))


def prompted_secrets(**kwargs: Any) -> fields.Dict:
    """Secrets by credential id and input."""
    secrets = fields.Dict(
        keys=text(1, 64), values=text(0, MAX_SECRET_CHARS), validate=validate.Length(max=100)
    )
    return fields.Dict(
        keys=fields.String(validate=validate.Regexp(r"[1-9][0-9]{0,18}\Z")),
        values=secrets,
        validate=validate.Length(max=MAX_CREDENTIALS),
        load_only=True,
        metadata={
            "description": "For credentials with an input that is ASK: {credential id: {input: secret}}"
        },
        **kwargs,
    )


class LaunchSchema(Schema):
    """Specification 3.1. Everything but the template is an override, which the template must ask for."""

    job_template_id = identifier(required=True, metadata={"example": 17})
    execution_environment_id = identifier(metadata={"example": 5})
    inventory_id = identifier(metadata={"example": 42})
    execution_environment = DeprecatedEnvironment(
        allow_none=True,
        metadata={
            "deprecated": True,
            "description": "Use execution_environment_id",
            "oneOf": [
                {"type": "null"},
                {"type": "integer"},
                {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
            ],
        },
    )
    credential_ids = fields.List(identifier(), validate=validate.Length(max=MAX_CREDENTIALS))
    credential_secrets = prompted_secrets()
    extra_vars = JsonObject(metadata={"example": {"version": "1.2.3", "env": "prod"}})
    limit = text(0, 65_536, allow_none=True)
    job_type = fields.String(validate=validate.OneOf(JOB_TYPES), metadata={"example": "run"})
    verbosity = integer(0, 5, metadata={"example": 3})
    forks = integer(1, 1000)
    tags = _tags()
    skip_tags = _tags()
    timeout_seconds = integer(0, MAX_INT)
    diff_mode = StrictBoolean()
    become_enabled = StrictBoolean()


class BulkLaunchSchema(Schema):
    jobs = fields.List(
        fields.Nested(LaunchSchema), required=True, validate=validate.Length(min=1, max=MAX_BULK)
    )


class RelaunchSchema(Schema):
    credential_secrets = prompted_secrets(load_default=dict)
    hosts = fields.String(load_default="all", validate=validate.OneOf(HOSTS))


class SummarySchema(Schema):
    hosts_total = fields.Integer()
    hosts_ok = fields.Integer()
    hosts_failed = fields.Integer()
    hosts_unreachable = fields.Integer()
    hosts_skipped = fields.Integer()
    hosts_changed = fields.Integer()


class LaunchedBySchema(Schema):
    id = identifier()
    username = fields.String()


class PendingReasonSchema(Schema):
    code = fields.String()
    detail = fields.String()
    queue_position = fields.Integer(
        allow_none=True, metadata={"description": "1 is next; null where it is not known"}
    )


class JobSliceSchema(Schema):
    """One of the jobs that a job with slices was split into."""

    job_id = identifier()
    slice_number = fields.Integer()
    status = fields.String(validate=validate.OneOf([str(status) for status in JobStatus]))


class JobSchema(Schema):
    """Specification 2.5, and whether the output of the current run is all there."""

    id = identifier(metadata={"example": 55})
    name = fields.String(metadata={"example": "Deploy App to Prod"})
    job_template_id = fields.Integer(allow_none=True)
    status = fields.String(validate=validate.OneOf([str(status) for status in JobStatus]))
    created_at = Timestamp()
    started_at = Timestamp(allow_none=True)
    finished_at = Timestamp(allow_none=True)
    timeout_seconds = fields.Integer()
    waiting_timeout_seconds = fields.Integer()
    start_timeout_seconds = fields.Integer()
    cancel_requested = fields.Boolean()
    kind = fields.String(validate=validate.OneOf([str(kind) for kind in JobKind]))
    inventory_id = fields.Integer(allow_none=True)
    project_id = fields.Integer()
    execution_environment_id = fields.Integer(allow_none=True)
    summary = fields.Nested(SummarySchema)
    current_run_id = fields.UUID(allow_none=True)
    events_complete = fields.Boolean(
        metadata={"description": "Every event is stored; false while it is not known, as for a lost run"}
    )
    log_complete = fields.Boolean(metadata={"description": "The same for the log"})
    launched_by = fields.Nested(LaunchedBySchema, allow_none=True)
    launch_type = fields.String()
    slice_count = fields.Integer(
        metadata={"description": "Over 1: the job was or will be split into so many, and has no run itself"}
    )
    slice_number = fields.Integer(
        allow_none=True, metadata={"description": "Which share of the hosts the job has; null: all of them"}
    )
    sliced_job_id = fields.Integer(
        allow_none=True, metadata={"description": "The job that this one is a slice of"}
    )
    error_reason = fields.String(allow_none=True)
    error_detail = fields.String(allow_none=True)


class JobDetailSchema(JobSchema):
    """A job with everything its launch resolved; secret answers are masked."""

    pending_reason = fields.Nested(PendingReasonSchema, allow_none=True)
    slices = fields.List(fields.Nested(JobSliceSchema))
    artifacts = JsonObject()
    relaunch_of_id = fields.Integer(allow_none=True)
    waits_for_job_id = fields.Integer(
        allow_none=True, metadata={"description": "The sync of its project that the job waits for"}
    )
    playbook = fields.String()
    credential_ids = fields.List(fields.Integer())
    extra_vars = JsonObject()
    limit = fields.String(allow_none=True)
    job_type = fields.String()
    verbosity = fields.Integer()
    forks = fields.Integer()
    tags = fields.List(fields.String())
    skip_tags = fields.List(fields.String())
    diff_mode = fields.Boolean()
    become_enabled = fields.Boolean()
    use_fact_cache = fields.Boolean()
    fact_cache_timeout_seconds = fields.Integer()
    max_attempts = fields.Integer()
    retry_on = fields.List(fields.String(validate=validate.OneOf([str(end) for end in RetryOn])))
    retry_hosts = fields.String(validate=validate.OneOf(HOSTS))
    retry_wait_seconds = fields.Integer()
    executor_pool = fields.String()
    priority = fields.Integer()


class BulkLaunchedSchema(Schema):
    items = fields.List(fields.Nested(JobSchema))
    total = fields.Integer()


class RunSchema(Schema):
    """Specification 2.6, and what helps to understand an attempt."""

    id = fields.UUID()
    job_id = identifier()
    attempt_number = fields.Integer()
    cause = fields.String(
        metadata={"description": "launch, or the error_reason of the attempt before it: why it was made"}
    )
    limit = fields.String(
        allow_none=True,
        metadata={"description": "The hosts of an attempt on fewer hosts than its job; null: as the job"},
    )
    available_at = Timestamp(
        allow_none=True, metadata={"description": "It is not started before; null: at once"}
    )
    state = fields.String(validate=validate.OneOf([str(state) for state in RunState]))
    created_at = Timestamp()
    started_at = Timestamp(allow_none=True)
    finished_at = Timestamp(allow_none=True)
    last_heartbeat_at = Timestamp(allow_none=True)
    last_event_seq = fields.Integer()
    exit_code = fields.Integer(allow_none=True)
    error_reason = fields.String(allow_none=True)
    error_detail = fields.String(allow_none=True)
    project_revision = fields.String(allow_none=True)
    executor_id = fields.Integer(allow_none=True)
    events_complete = fields.Boolean()
    log_complete = fields.Boolean()


class JobQuery(NameQuery):
    """Filters of `GET /jobs`."""

    status = DelimitedList(
        fields.String(validate=validate.OneOf([str(status) for status in JobStatus])),
        metadata={"description": "One status, or several separated by commas"},
    )
    kind = fields.String(
        validate=validate.OneOf([str(kind) for kind in JobKind]), load_default=str(JobKind.PLAYBOOK)
    )
    job_template_id = QueryInteger()
    inventory_id = QueryInteger()
    project_id = QueryInteger()
    launched_by = QueryInteger(metadata={"description": "A user's id"})
    created_after = Timestamp()
    created_before = Timestamp()
    finished_after = Timestamp()
    finished_before = Timestamp()
    host = text(1, 1024, metadata={"description": "Jobs of which an attempt touched this host"})
    cancel_requested = QueryBoolean()
    sliced_job_id = QueryInteger(metadata={"description": "The slices of this job"})
