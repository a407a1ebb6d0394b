"""Specification 2.3 with the launch settings of an AWX template."""

from typing import Any

import marshmallow as ma
from drover_shared.domain.retries import MAX_WAIT_SECONDS, RetryHosts, RetryOn
from drover_shared.domain.slices import MAX_SLICES
from marshmallow import fields, validate

from drover_api.http.fields import (
    MAX_INT,
    JsonObject,
    Schema,
    StrictBoolean,
    Timestamp,
    identifier,
    integer,
    text,
)
from drover_api.http.pages import NameQuery, QueryInteger
from drover_api.jobs.overrides import ASK
from drover_api.resources.common import NamedBody
from drover_api.resources.job_templates.survey import SurveySchema

ASK_NAMES = tuple(dict.fromkeys(ASK.values()))
_TAG = validate.Regexp(r"[^\s,][^,]*\Z", error="Must not be empty or contain commas.")
_PLAYBOOK = validate.Regexp(
    r"(?!/)(?!-)(?!(.*/)?\.\.(/|\Z))[^\x00-\x1f]+\Z", error="Must be a path inside of the project."
)
EXAMPLE: dict[str, Any] = {
    "id": 17,
    "name": "Deploy App",
    "description": "Deploy application to servers",
    "inventory_id": 42,
    "project_id": 9,
    "playbook": "deploy.yml",
    "execution_environment": {"id": 5, "image": "registry.example.com/ee:latest"},
    "credential_ids": [5, 6],
    "extra_vars": {"some_var": "value"},
}


def ask_field(name: str) -> str:
    return f"ask_{name}_on_launch"


def _tags() -> "fields.List[str]":
    return fields.List(
        fields.String(validate=[validate.Length(1, 200), _TAG]),
        load_default=list,
        validate=validate.Length(0, 200),
    )


def _distinct(values: list[str]) -> None:
    if len(set(values)) != len(values):
        raise ma.ValidationError("Must name each kind of end once.")


class EnvironmentReferenceSchema(Schema):
    """The image is told on reading; on writing only the id counts."""

    id = identifier(required=True)
    image = fields.String()


class _BodyBase(NamedBody):
    inventory_id = identifier(allow_none=True, load_default=None)
    project_id = identifier(required=True)
    playbook = fields.String(required=True, validate=[validate.Length(1, 1000), _PLAYBOOK])
    execution_environment_id = identifier(allow_none=True, load_default=None)
    execution_environment = fields.Nested(
        EnvironmentReferenceSchema,
        load_only=True,
        metadata={"description": "The same as execution_environment_id, as {id}"},
    )
    credential_ids = fields.List(identifier(), load_default=list, validate=validate.Length(0, 50))
    extra_vars = JsonObject(load_default=dict)
    job_type = fields.String(validate=validate.OneOf(["run", "check"]), load_default="run")
    forks = integer(1, 1000, load_default=5)
    limit = text(1, 10_000, allow_none=True, load_default=None)
    tags = _tags()
    skip_tags = _tags()
    start_at_task = text(
        1,
        1000,
        allow_none=True,
        load_default=None,
        metadata={"description": "the name of the first task to run, or a pattern with *"},
    )
    verbosity = integer(0, 5, load_default=0)
    timeout_seconds = integer(
        0, MAX_INT, load_default=0, metadata={"description": "0: the job may run as long as it likes"}
    )
    waiting_timeout_seconds = integer(
        0, MAX_INT, load_default=0, metadata={"description": "until an executor takes the job; 0: no limit"}
    )
    start_timeout_seconds = integer(
        0, MAX_INT, load_default=3600, metadata={"description": "from then to the playbook; 0: no limit"}
    )
    diff_mode = StrictBoolean(load_default=False)
    become_enabled = StrictBoolean(load_default=False)
    use_fact_cache = StrictBoolean(
        load_default=False,
        metadata={"description": "give jobs the facts that earlier ones gathered, and keep what they gather"},
    )
    fact_cache_timeout_seconds = integer(
        0, MAX_INT, load_default=0, metadata={"description": "older facts are not given; 0: no limit"}
    )
    survey = fields.Nested(SurveySchema, allow_none=True, load_default=None)
    allow_simultaneous = StrictBoolean(load_default=False)
    max_simultaneous = integer(
        0,
        MAX_INT,
        load_default=0,
        metadata={"description": "with allow_simultaneous: how many jobs may be at work; 0: no limit"},
    )
    max_attempts = integer(1, 100, load_default=3)
    retry_on = fields.List(
        fields.String(validate=validate.OneOf([str(end) for end in RetryOn])),
        load_default=lambda: [str(RetryOn.LOST)],
        validate=[validate.Length(max=len(RetryOn)), _distinct],
        metadata={
            "description": "After which ends another attempt follows: lost (its executor is gone), error "
            "(the platform could not run it), failed (the playbook failed on a host), timeout"
        },
    )
    retry_hosts = fields.String(
        validate=validate.OneOf([str(hosts) for hosts in RetryHosts]),
        load_default=str(RetryHosts.ALL),
        metadata={"description": "On which hosts, where the playbook failed; after any other end on all"},
    )
    retry_wait_seconds = integer(
        0,
        MAX_WAIT_SECONDS,
        load_default=10,
        metadata={"description": "before the first retry (none after a loss); doubles with each further one"},
    )
    executor_pool = text(1, 100, load_default="default")
    priority = integer(-1000, 1000, load_default=0)
    slice_count = integer(
        1,
        MAX_SLICES,
        load_default=1,
        metadata={
            "description": "how many jobs a launch is split into, each for its share of the hosts; never "
            "more than there are hosts"
        },
    )


# One `ask_<name>_on_launch` for each field that a launch can override.
JobTemplateBodySchema: type[ma.Schema] = type(
    "JobTemplateBodySchema",
    (_BodyBase,),
    {ask_field(name): StrictBoolean(load_default=False) for name in ASK_NAMES},
)


class _OutBase(Schema):
    id = fields.Integer()
    name = fields.String()
    description = fields.String()
    organization_id = fields.Integer()
    inventory_id = fields.Integer(allow_none=True)
    project_id = fields.Integer()
    playbook = fields.String()
    execution_environment = fields.Nested(EnvironmentReferenceSchema, allow_none=True)
    credential_ids = fields.List(fields.Integer())
    extra_vars = JsonObject()
    job_type = fields.String()
    forks = fields.Integer()
    limit = fields.String(allow_none=True)
    tags = fields.List(fields.String())
    skip_tags = fields.List(fields.String())
    start_at_task = fields.String(allow_none=True)
    verbosity = fields.Integer()
    timeout_seconds = fields.Integer()
    waiting_timeout_seconds = fields.Integer()
    start_timeout_seconds = fields.Integer()
    diff_mode = fields.Boolean()
    become_enabled = fields.Boolean()
    use_fact_cache = fields.Boolean()
    fact_cache_timeout_seconds = fields.Integer()
    survey = fields.Nested(SurveySchema, allow_none=True)
    allow_simultaneous = fields.Boolean()
    max_simultaneous = fields.Integer()
    max_attempts = fields.Integer()
    retry_on = fields.List(fields.String())
    retry_hosts = fields.String()
    retry_wait_seconds = fields.Integer()
    executor_pool = fields.String()
    priority = fields.Integer()
    slice_count = fields.Integer()
    created_at = Timestamp()
    modified_at = Timestamp()


JobTemplateSchema: type[ma.Schema] = type(
    "JobTemplateSchema", (_OutBase,), {ask_field(name): fields.Boolean() for name in ASK_NAMES}
)


class JobTemplateQuery(NameQuery):
    organization_id = QueryInteger()
    inventory_id = QueryInteger()
    project_id = QueryInteger()
    playbook = fields.String(metadata={"description": "Case-insensitive part of the playbook's path"})
