"""Bodies of the internal API. Executors of a newer release may say more: unknown keys are left out."""

from typing import Any

import marshmallow as ma
from drover_shared.domain.facts import can_be_cached
from drover_shared.domain.states import RunState
from marshmallow import fields, validate, validates_schema

from drover_api.http.fields import MAX_BIGINT, MAX_INT, JsonObject, Timestamp, identifier, integer, name, text

MAX_DETAIL = 8192
MAX_POOLS = 64


class Tolerant(ma.Schema):
    """Rolling upgrades: what this release does not know is ignored."""

    class Meta:
        unknown = ma.EXCLUDE


def _pools(**kwargs: Any) -> "fields.List[Any]":
    return fields.List(text(1, 128), validate=validate.Length(1, MAX_POOLS), **kwargs)


def _count(low: int, **kwargs: Any) -> fields.Integer:
    return integer(low, MAX_BIGINT - 1, **kwargs)


def _knows_slices() -> fields.Boolean:
    return fields.Boolean(
        load_default=False,
        metadata={
            "description": "The executor limits itself to `slice` of the manifest; any other gets none"
        },
    )


class RegistrationSchema(Tolerant):
    name = name(required=True)
    pools = _pools(required=True)
    slots = integer(1, 10_000, required=True)
    version = text(0, 128, required=True)
    isolation = text(0, 128, load_default="none")


class RegisteredSchema(Tolerant):
    id = identifier()
    token = fields.String()
    lease_seconds = fields.Integer()
    heartbeat_interval_seconds = fields.Integer()


class ExecutorBeatSchema(Tolerant):
    running = fields.List(fields.UUID(), load_default=list)


class DrainSchema(Tolerant):
    drain = fields.Boolean()


class NextSchema(Tolerant):
    wait_seconds = fields.Float(load_default=0.0, validate=validate.Range(0, 25))
    pools = _pools(load_default=None, allow_none=True)
    slices = _knows_slices()


class NextRunSchema(Tolerant):
    job_run_id = fields.UUID()


class ClaimSchema(Tolerant):
    executor_id = identifier(required=True)
    slices = _knows_slices()


class ClaimedSchema(Tolerant):
    run_token = fields.String()
    stream_token = fields.String()
    lease_expires_at = Timestamp()
    lease_seconds = fields.Integer()
    heartbeat_interval_seconds = fields.Integer()


class StartSchema(Tolerant):
    project_revision = text(1, 256, load_default=None, allow_none=True)


class StartedSchema(Tolerant):
    state = fields.String()
    cancel = fields.String(validate=validate.OneOf(("none", "graceful", "kill")))


class BeatSchema(Tolerant):
    last_seq = _count(0, required=True)
    last_log_seq = _count(-1, required=True)


def _ranges() -> "fields.List[Any]":
    return fields.List(fields.List(fields.Integer(), metadata={"example": [3, 7]}))


class BeatAnswerSchema(Tolerant):
    lease_expires_at = Timestamp()
    cancel = fields.String(validate=validate.OneOf(("none", "graceful", "kill")))
    committed_seq = fields.Integer()
    missing = _ranges()
    committed_log_seq = fields.Integer()
    missing_log = _ranges()


class EventsSchema(Tolerant):
    token = text(1, 256, required=True)
    events = fields.List(JsonObject(), required=True)


class ChunkSchema(Tolerant):
    token = text(1, 256, required=True)
    seq = _count(0, required=True)
    offset = _count(0, required=True)
    body = fields.String(required=True, metadata={"description": "the chunk's bytes in base64"})


class FinishSchema(Tolerant):
    state = fields.Enum(RunState, by_value=True, required=True)
    exit_code = integer(-MAX_INT, MAX_INT, load_default=None, allow_none=True)
    error_reason = text(1, 128, load_default=None, allow_none=True)
    error_detail = fields.String(load_default=None, allow_none=True)
    last_seq = _count(0, required=True)
    log_chunks = _count(0, required=True)
    log_bytes = _count(0, required=True)
    log_sha256 = fields.String(
        required=True,
        allow_none=True,
        validate=validate.Regexp(r"[0-9a-f]{64}\Z"),
        metadata={"description": "of all log bytes; null where the executor no longer has them all"},
    )
    artifacts = JsonObject(load_default=dict)

    @validates_schema
    def final(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """An executor may report only the outcomes that are its own to report."""
        if data["state"] not in (RunState.SUCCESSFUL, RunState.FAILED, RunState.CANCELED):
            raise ma.ValidationError("Must be successful, failed or canceled.", "state")


class FinishedSchema(Tolerant):
    complete = fields.Boolean()
    missing = _ranges()
    missing_log = _ranges()


class FactsQuery(ma.Schema):
    after = text(0, 1024, load_default="", metadata={"description": "the `next` of the page before"})


def _can_be_cached(host: str) -> None:
    if not can_be_cached(host):
        raise ma.ValidationError("Could not be the name of a file.")


class RunFactsSchema(Tolerant):
    host = fields.String(required=True, validate=_can_be_cached)
    facts = JsonObject(required=True, allow_none=True)


class FactsSchema(Tolerant):
    """`facts` null: the playbook cleared them."""

    hosts = fields.List(fields.Nested(RunFactsSchema), required=True)


class KeptSchema(Tolerant):
    kept = fields.Integer()


class FactsPageSchema(Tolerant):
    items = fields.List(fields.Nested(RunFactsSchema))
    next = fields.String(allow_none=True)


class ManifestSchema(Tolerant):
    """Specification 7.1."""

    job_run_id = fields.UUID()
    job_id = identifier()
    attempt_number = fields.Integer()
    execution_environment = JsonObject()
    inventory = JsonObject()
    playbook = JsonObject()
    extra_vars = JsonObject()
    credentials = fields.List(JsonObject())
    timeout_seconds = fields.Integer()
    limit = fields.String(allow_none=True)
    verbosity = fields.Integer()
    job_name = fields.String()
    kind = fields.String()
    job_type = fields.String()
    forks = fields.Integer()
    tags = fields.List(fields.String())
    skip_tags = fields.List(fields.String())
    start_at_task = fields.String(allow_none=True)
    diff_mode = fields.Boolean()
    become_enabled = fields.Boolean()
    use_fact_cache = fields.Boolean()
    secret_vars = fields.List(fields.String())
    untrusted_vars = fields.List(fields.String())
    traceparent = fields.String(allow_none=True)
    execution_environment_pull = fields.String()
    execution_environment_credential_id = fields.Integer(allow_none=True)
    project = JsonObject()
    inventory_project = JsonObject(allow_none=True)
    slice = JsonObject(allow_none=True)
    max_event_bytes = fields.Integer()
    max_batch_bytes = fields.Integer()
    max_chunk_bytes = fields.Integer()


class RunCredentialSchema(Tolerant):
    id = identifier()
    type = fields.String()
    name = fields.String()
    inputs = JsonObject()
    injectors = JsonObject()
